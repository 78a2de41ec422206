"""Measures how far a run has come from where it started, and how far noise alone would have carried it.

Definition: |θ_t − θ_0|², the squared distance of all parameters together, and its expectation for the same optimiser,
learning rates and gradient sizes where every gradient is independent noise. Well above this null walk the run is going
somewhere, below it something holds it. The exponent alone ("t¹ or t²") tells nothing: a drift under noise shows every
power between.

Source: derived below; tests hold it against simulation.
Cost: one step, which is shared, and a copy of the start per run. Lion has no null walk: its sign is no linear filter.

The null walk: every optimiser here but lion is a linear filter of driving noise ξ, independent from step to step, of
mean 0 and the variance A, summed over all parameters:

    m_t = β m_{t−1} + κ ξ_t,    u_t = −η_t m_t / b_t    (Nesterov: u_t = −η_t (ξ_t + β m_t)),

| optimiser | A | β | κ | b_t |
|---|---|---|---|---|
| sgd | |g|² of a mini-batch | momentum | 1 | 1 |
| adam, adamw | Σ v̂/(√v̂ + ε)² | β₁ | 1 − β₁ | 1 − β₁ᵗ |
| rmsprop | Σ g²/(√v + ε)² | momentum | 1 | 1 |

With q = E|m|², C = E⟨θ_t − θ_0, m_t⟩ (signs left out) and D = E|θ_t − θ_0|² every step is

    q ← β² q + κ² A,    D ← D + 2 β C η/b + η² q/b²,    C ← β C + η q/b.

Late in the walk D grows by η² A κ²/(1 − β)² a step: η² per parameter for Adam where √v̂ ≫ ε, and η²|g|²/(1 − β)² for
sgd. Momentum only slows the first 1/(1 − β) steps. The whole gradient is taken for noise, and weight decay is left out.
A is measured once an interval; the first time v̂ comes from a single gradient, and where ε is as large as that A comes
out too small.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...arms.arm import Arm
from ..optimization import Hyperparams, make_rate, second_moment
from ..trainer import TrainState
from .diagnostic import WHOLE, Diagnostic, Panel, Snapshot, Subject, Values
from .vectors import norm

SQUARED, NULL = "displacement", "null_displacement"
# The momentum decay of each optimiser that is such a filter, and whether its momentum is an average.
_MOMENTUM = {
    **dict.fromkeys(("sgd", "rmsprop"), ("momentum", False)),
    **dict.fromkeys(("adam", "adamw"), ("beta1", True)),
}


class Walk(NamedTuple):
    """Expectations of a walk on noise: q = E|m|², C = E⟨θ − θ_0, m⟩ and D = E|θ − θ_0|²."""

    momentum: jax.Array
    covariance: jax.Array
    displacement: jax.Array


def start_walk() -> Walk:
    """Returns the walk before the first step."""
    return Walk(*(jnp.float32(0.0) for _ in Walk._fields))


def noise_size(arm: Arm, snapshot: Snapshot) -> jax.Array:
    """Returns A of the next step."""
    grads = jax.tree.leaves(snapshot.first.grads)
    if arm.optimizer == "sgd":
        return jnp.square(norm(grads))
    state, h = snapshot.state, snapshot.hyperparams
    roots = [jnp.sqrt(v) for v in jax.tree.leaves(second_moment(arm, h, state.step, snapshot.first.state.opt_state))]
    sizes = grads if arm.optimizer == "rmsprop" else roots
    return jnp.square(norm([s / (root + h["epsilon"]) for s, root in zip(sizes, roots, strict=True)]))


def walk_on(arm: Arm, walk: Walk, noise: jax.Array, step: jax.Array, hyperparams: Hyperparams, number: int) -> Walk:
    """Returns the walk `number` steps after `step`, from its state and A (`noise`) there."""
    name, is_average = _MOMENTUM[arm.optimizer]
    decay, rate = hyperparams[name], make_rate(arm)
    gain = 1 - decay if is_average else 1.0

    def noise_at(index: jax.Array) -> jax.Array:
        if arm.optimizer != "rmsprop":
            return noise
        # Its uncorrected second moment starts at 0, which makes the first steps longer.
        kept = hyperparams["beta2"]
        return noise * (1 - kept ** (step + 1)) / (1 - kept ** (index + 1))

    def one(walk: Walk, index: jax.Array) -> tuple[Walk, None]:
        noise = noise_at(index)
        correction = 1 - decay ** (index + 1) if is_average else 1.0
        factor = rate(index, hyperparams) / correction
        size = decay**2 * walk.momentum + gain**2 * noise
        before = decay * walk.covariance
        # Expectations of |u|², ⟨θ − θ_0, u⟩ before the step, and ⟨u, m⟩.
        if arm.nesterov:
            squared = noise + 2 * decay * noise + decay**2 * size
            along, shared = decay * before, noise + decay * size
        else:
            squared, along, shared = size, before, size
        displacement = walk.displacement + 2 * factor * along + factor**2 * squared
        return Walk(size, before + factor * shared, displacement), None

    return lax.scan(one, walk, step + jnp.arange(number))[0]


class _Memory(NamedTuple):
    start: Any
    walk: Walk | None


def _start(subject: Subject, state: TrainState) -> _Memory:
    return _Memory(state.params, start_walk() if subject.arm.optimizer in _MOMENTUM else None)


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
