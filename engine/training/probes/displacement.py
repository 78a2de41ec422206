"""Measures how far a run has come from where it started, and how far noise alone would have carried it.

Definition: |θ_t − θ_0|², the squared distance of all parameters together, and its expectation for the same optimiser,
learning rates and gradient sizes where every gradient is independent noise. Well above this null walk the run is going
somewhere, below it something holds it. The exponent alone ("t¹ or t²") tells nothing: a drift under noise shows every
power between.

Source: derived in `engine.training.probes.null_walk`; tests hold it against simulation.

Cost: one step, which is shared, and a copy of the start per run. Lion has no null walk: its sign is no linear filter.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from engine.training.probes.diagnostic import WHOLE, Diagnostic, Panel, Snapshot, Subject, Values
from engine.training.probes.null_walk import Walk, has_walk, noise_size, start_walk, walk_on
from engine.training.probes.vectors import norm
from engine.training.trainer import TrainState

SQUARED, NULL = "displacement", "null_displacement"


class _Memory(NamedTuple):
    start: Any
    walk: Walk | None


def _start(subject: Subject, state: TrainState) -> _Memory:
    return _Memory(state.params, start_walk() if has_walk(subject.arm) else None)


def _measure(subject: Subject, snapshot: Snapshot, memory: _Memory) -> tuple[Values, _Memory]:
    state, arm = snapshot.state, subject.arm
    path = jax.tree.map(jnp.subtract, state.params, memory.start)
    values = {SQUARED: {WHOLE: jnp.square(norm(path))}}
    if memory.walk is None:
        return values, memory
    values[NULL] = {WHOLE: memory.walk.displacement}
    noise = noise_size(arm, snapshot)
    walk = walk_on(arm, memory.walk, noise, state.step, snapshot.hyperparams, subject.every)
    return values, _Memory(memory.start, walk)


_PANEL = Panel(
    "displacement", (SQUARED, NULL), "log",
    "squared distance from the start, and (dashed) what noise alone would give",
    "well above the dashed line: a drift, not a random walk",
    dashed=NULL,
)  # fmt: skip
_SERIES = {SQUARED: "the squared displacement", NULL: "the null walk"}
DIAGNOSTIC = Diagnostic(_SERIES, _measure, (_PANEL,), start=_start)
