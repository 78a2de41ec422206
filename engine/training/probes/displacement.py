"""How far a run has come from where it started, and how far noise alone would have carried it.

Definition: |θ_t − θ_0|², the squared distance of all parameters together, and its expectation
for the same optimiser, learning rates and size of the gradients where every gradient is
independent noise, see `engine.training.probes.null_walk`. Well above the null walk the run is going
somewhere, below it something holds it. "t¹ against t²" alone tells nothing: a plain
drift under noise shows every power between.

Source: derived in `engine.training.probes.null_walk`, which tests hold against simulation.

Cost: one step, shared with `norms`, and a copy of the start per run. The null walk is not there for
lion, whose sign is no linear filter.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values
from engine.training.probes.null_walk import Walk, has_walk, noise_size, start_walk, walk_on
from engine.training.probes.registry import WHOLE
from engine.training.probes.vectors import norm
from engine.training.trainer import TrainState

SQUARED, NULL = "displacement", "null_displacement"


class _Memory(NamedTuple):
    """Where the run started, and how far the null walk is."""

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
    return values, memory._replace(walk=walk)


DIAGNOSTIC = Diagnostic(series=(SQUARED, NULL), measure=_measure, start=_start)
