"""What a diagnostic is: numbers about a training as it stands, and about the two steps it takes next."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax

from ...arms.arm import Arm
from ...tasks import Batch, Task
from ..optimization import Hyperparams
from ..trainer import StepParts, TrainState
from .recording import LayerInput
from .registry import WHOLE

__all__ = ["WHOLE", "Diagnostic", "Memory", "Panel", "Snapshot", "Subject", "Values"]

# Scalars by series, and by layer or parameter array.
Values = dict[str, dict[str, jax.Array]]
# What a diagnostic keeps of a run from one measurement to the next.
Memory = Any


class Panel(NamedTuple):
    """One small figure: its series over the whole network, or layer by layer too; `dashed` names one of them.

    `what` says what it shows, `look_for` what to look for. `scale` is `log`, `linear` or `symlog` (both signs). `told`:
    which change of the first series before the onset the report tells, the `whole` network's or the largest `layer`'s.
    """

    title: str
    series: tuple[str, ...]
    scale: str
    what: str
    look_for: str
    is_by_layer: bool = False
    dashed: str | None = None
    told: Literal["whole", "layer"] | None = None


class Subject(NamedTuple):
    """What is measured, as far as it is the same for all runs of a program.

    Only the structure of `arm` is read. `apply` goes from (params, model state, inputs) to outputs, as in an
    evaluation. `layers` names the weighted layers in order, `data_layers` those that the data enter; `every` is steps.
    `options` are those that the diagnostics own.
    """

    arm: Arm
    task: Task
    apply: Callable[[Any, Any, jax.Array], jax.Array]
    leaf_names: tuple[str, ...]
    num_params: int
    layers: tuple[str, ...]
    data_layers: frozenset[str]
    every: int
    options: Mapping[str, Any] = {}


class Snapshot(NamedTuple):
    """A run with its next two steps, and outputs and layer inputs for the first batch of the evaluation set."""

    state: TrainState
    hyperparams: Hyperparams
    first: StepParts
    second: StepParts
    batch: Batch
    outputs: jax.Array
    inputs: Mapping[str, LayerInput]


class Diagnostic(NamedTuple):
    """A diagnostic, written for one run.

    `measure` goes from (subject, snapshot, memory) to (values, memory), `start` from (subject, state at step 0) to the
    first memory. `obstacle` says in words why a subject cannot be measured, or returns `None`.
    """

    series: Mapping[str, str]
    measure: Callable[[Subject, Snapshot, Memory], tuple[Values, Memory]]
    panels: tuple[Panel, ...]
    obstacle: Callable[[Subject], str | None] = lambda subject: None
    start: Callable[[Subject, TrainState], Memory] = lambda subject, state: None
