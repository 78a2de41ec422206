"""What a diagnostic is: numbers about a training as it stands, and about the two steps it takes next."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from engine.arms.arm import Arm
from engine.tasks import Batch, Task
from engine.training.optimization import Hyperparams
from engine.training.probes.panel import Panel
from engine.training.probes.recording import LayerInput
from engine.training.probes.registry import WHOLE
from engine.training.trainer import StepParts, TrainState

__all__ = ["WHOLE", "Diagnostic", "Panel", "Snapshot", "Subject", "Values"]

# Scalars by series, and by layer or parameter array.
Values = dict[str, dict[str, jax.Array]]


class Subject(NamedTuple):
    """What is measured, as far as it is the same for all runs of a program.

    Attributes:
        arm: resolved; only its structure is read.
        apply: from (params, model state, inputs) to outputs, as in an evaluation.
        leaf_names: of the parameters, in the order of their leaves.
        num_params: numbers in all parameters.
        layers: names of the weighted layers that were found, in order.
        data_layers: those that the data enter.
        every: steps between measurements.
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
    """One run as it stands, with its next two steps.

    Attributes:
        batch: first batch of the fixed evaluation set.
        outputs: of the network for that batch.
        inputs: what enters each layer for that batch.
    """

    state: TrainState
    hyperparams: Hyperparams
    first: StepParts
    second: StepParts
    batch: Batch
    outputs: jax.Array
    inputs: Mapping[str, LayerInput]


class Diagnostic(NamedTuple):
    """A diagnostic, written for one run.

    Attributes:
        series: what it records: names, and how the report calls them.
        measure: from (subject, snapshot, memory) to (values, memory).
        panels: how the report shows it.
        obstacle: from a subject to why there is nothing to measure, in words, or `None`.
        start: from (subject, state at step 0) to the first memory.
    """

    series: Mapping[str, str]
    measure: Callable[[Subject, Snapshot, Any], tuple[Values, Any]]
    panels: tuple[Panel, ...]
    obstacle: Callable[[Subject], str | None] = lambda subject: None
    start: Callable[[Subject, TrainState], Any] = lambda subject, state: None
