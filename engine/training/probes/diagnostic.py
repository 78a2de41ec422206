"""What a diagnostic is: numbers of a training as it stands, and of the two steps it takes next."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from engine.arms.arm import Arm
from engine.tasks import Batch, Task
from engine.training.optimization import Hyperparams
from engine.training.probes.recording import LayerInput
from engine.training.trainer import StepParts, TrainState

# Values by series and by layer or parameter, each of them a scalar.
Values = dict[str, dict[str, jax.Array]]


class Subject(NamedTuple):
    """What is measured, as far as it is the same for all runs of a program.

    Attributes:
        arm: resolved; read for its structure only.
        task: the source of examples.
        apply: from (params, model state, inputs) to outputs: the network as it is evaluated, in
            the form in which it is computed.
        leaf_names: of the parameters, in the order of their leaves.
        num_params: numbers in all of them.
        layers: names of the weighted layers that are found, in order; those that the data enter
            are `data_layers`.
        every: steps from one measurement to the next.
    """

    arm: Arm
    task: Task
    apply: Callable[[Any, Any, jax.Array], jax.Array]
    leaf_names: tuple[str, ...]
    num_params: int
    layers: tuple[str, ...]
    data_layers: frozenset[str]
    every: int


class Snapshot(NamedTuple):
    """What there is to see of one run.

    Attributes:
        state: where it stands.
        hyperparams: of its arm.
        first, second: the steps that it takes next.
        batch: the first batch of the fixed evaluation set.
        outputs: of the network for that batch.
        inputs: what enters its layers, by layer.
    """

    state: TrainState
    hyperparams: Hyperparams
    first: StepParts
    second: StepParts
    batch: Batch
    outputs: jax.Array
    inputs: Mapping[str, LayerInput]


def _has_none(subject: Subject) -> str | None:
    return None


def _remembers_nothing(subject: Subject, state: TrainState) -> Any:
    return None


class Diagnostic(NamedTuple):
    """A diagnostic, written for one run.

    Attributes:
        series: names of what it records.
        measure: from (subject, snapshot, memory) to (values, memory).
        obstacle: from a subject to why there is nothing to measure, in words, or `None`.
        start: from (subject, state at step 0) to what it keeps from one time to the next.
    """

    series: tuple[str, ...]
    measure: Callable[[Subject, Snapshot, Any], tuple[Values, Any]]
    obstacle: Callable[[Subject], str | None] = _has_none
    start: Callable[[Subject, TrainState], Any] = _remembers_nothing
