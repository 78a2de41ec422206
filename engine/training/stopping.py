"""When a run is over: at its horizon, a divergence, a hit, or a settled outcome."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..outcomes import DetectorSettings
from ..outcomes.online import Watch, is_settled, observe, start_watch
from .trainer import StepInfo

# The step of what has not happened.
NEVER = -1
# A loss in units of a chance level that single precision can hardly hold is no longer told apart.
_MOST_RELATIVE = 1e30
STOPS = {
    "horizon": "every run lasts as long as it was asked to",
    "settled": "a run ends once it has left chance level, on held-out examples too, and its status is settled",
}


class Rules(NamedTuple):
    """The rules by which runs end; `stop` is one of `STOPS`."""

    detector: DetectorSettings
    stop: str
    chance_loss: float


class Monitor(NamedTuple):
    """Watches one run for its end.

    A mini-batch loss above `loss_limit`, a multiple of the losses at the start, counts as blown up; `num_high` counts
    the steps since it was below. Steps are `NEVER` before their event. `has_left_held_out`: the held-out loss has been
    below chance level, because a run that memorises may still generalise. `is_settled`: the run may be stopped early.
    """

    horizon: jax.Array
    loss_limit: jax.Array
    num_high: jax.Array
    diverged_step: jax.Array
    hitting_step: jax.Array
    watch: Watch
    has_left_held_out: jax.Array
    is_settled: jax.Array


def start_monitor(horizon: jax.Array) -> Monitor:
    """Returns the monitor of a run of which nothing was measured yet."""
    return Monitor(
        horizon=horizon,
        loss_limit=jnp.float32(jnp.inf),
        num_high=jnp.int32(0),
        diverged_step=jnp.int32(NEVER),
        hitting_step=jnp.int32(NEVER),
        watch=start_watch(jnp.float32(0.0)),
        has_left_held_out=jnp.bool_(False),
        is_settled=jnp.bool_(False),
    )


def has_ended(monitor: Monitor, step: jax.Array) -> jax.Array:
    """Tells whether a run that has reached `step` is over."""
    has_diverged = monitor.diverged_step != NEVER
    has_hit = monitor.hitting_step != NEVER
    return (step >= monitor.horizon) | has_diverged | has_hit | monitor.is_settled


def watch_measurement(
    monitor: Monitor, step: jax.Array, loss: jax.Array, held_out_loss: jax.Array, rules: Rules
) -> Monitor:
    """Sets the limits of a run at step 0; later notes whether the held-out loss has left chance level."""
    detector, chance_loss = rules.detector, rules.chance_loss
    limit = detector.divergence_factor * jnp.maximum(chance_loss, loss)
    opened = monitor._replace(
        loss_limit=limit,
        diverged_step=jnp.where(jnp.isfinite(loss), NEVER, 0).astype(jnp.int32),
        watch=start_watch(1.0 - _relative(loss, chance_loss)),
    )
    is_new = step == 0
    monitor = jax.tree.map(lambda new, old: jnp.where(is_new, new, old), opened, monitor)
    if rules.stop != "settled":
        return monitor
    has_left = ~is_new & (held_out_loss <= (1.0 - detector.high) * chance_loss)
    return monitor._replace(has_left_held_out=monitor.has_left_held_out | has_left)


def watch_step(monitor: Monitor, step: jax.Array, info: StepInfo, rules: Rules) -> Monitor:
    """Notes a hit, and a divergence: a loss that is not finite, or above its limit for long enough."""
    batch_loss = info.batch_loss
    # Dropout, noise and augmentation may lift the loss of a mini-batch far above that of an evaluation, from the start.
    raised = jnp.maximum(monitor.loss_limit, rules.detector.divergence_factor * batch_loss)
    monitor = monitor._replace(loss_limit=jnp.where(step == 1, raised, monitor.loss_limit))
    # The loss of a task with an event of its own may be as noisy as it likes.
    is_high = (info.is_hit is None) & (batch_loss > monitor.loss_limit)
    num_high = jnp.where(is_high, monitor.num_high + 1, 0)
    patience = rules.detector.divergence_steps
    first_high = step - patience
    diverged_step = jnp.where(~jnp.isfinite(batch_loss), step - 1, jnp.where(num_high >= patience, first_high, NEVER))
    is_first = monitor.diverged_step == NEVER
    if info.is_hit is not None:
        is_new = info.is_hit & (monitor.hitting_step == NEVER)
        monitor = monitor._replace(hitting_step=jnp.where(is_new, step - 1, monitor.hitting_step))
    return monitor._replace(num_high=num_high, diverged_step=jnp.where(is_first, diverged_step, monitor.diverged_step))


def _relative(loss: jax.Array, chance_loss: float) -> jax.Array:
    """Returns the loss in units of chance level, however small that is."""
    return jnp.minimum(loss / chance_loss, _MOST_RELATIVE)


def watch_evaluation(monitor: Monitor, step: jax.Array, loss: jax.Array, rules: Rules) -> Monitor:
    """Notes an evaluation that is not finite and, if runs may stop early, a settled outcome."""
    relative_loss = _relative(loss, rules.chance_loss)
    is_lost = (monitor.diverged_step == NEVER) & ~jnp.isfinite(loss)
    monitor = monitor._replace(diverged_step=jnp.where(is_lost, step, monitor.diverged_step))
    if rules.stop != "settled":
        return monitor
    watch = observe(monitor.watch, 1.0 - relative_loss, step, rules.detector)
    is_clear = is_settled(watch, rules.detector) & monitor.has_left_held_out
    return monitor._replace(watch=watch, is_settled=is_clear)
