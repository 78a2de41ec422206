"""The detector that watches a run while it trains, as pure functions of one run.

It says when a run has left its plateau: an exponential average of ρ has been above `high` for some
evaluations since it was last below `low`. The onset is dated back by what such an average lags
behind.

It also decides when what the reference detector will say of a run is settled, so that its lane may
be given to another. It keeps the time at which the curve first reached each of a ladder of levels.
From these, delay and width follow for every level at which the curve may still end; the run is
settled when they all have the same status.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine.outcomes.settings import DetectorSettings

_STEP = 0.01
_LOWEST = -0.05
_NUM_LEVELS = 106
LEVELS = np.asarray(_LOWEST + _STEP * np.arange(_NUM_LEVELS), np.float32)
_ZERO = 5  # position of ρ = 0 among the levels
_NUM_ENDS = 6
_SMOOTHING = 5.0
_LARGEST_JUMP = 0.25
_CONFIRMATION = 3


class Watch(NamedTuple):
    """What is known of a curve so far.

    Attributes:
        progress: ρ at the last evaluation.
        step: of that evaluation.
        level: exponential average of ρ, or of −0.05 where it is below that, in which no evaluation
            counts for more than a jump of 0.25.
        num_high: evaluations for which `level` has been at `high` or above without a break.
        reached: step at which the curve first reached each of `LEVELS`, linearly interpolated;
            infinite where it has not, or where it has fallen back to its plateau since.
        left_step: when `level` last rose to `low`; 0 where it started there.
        high_step: the same for `high`.
        fired_step: evaluation at which `level` had been high for three evaluations in a row;
            infinite where it has not, or where the curve has fallen back to its plateau since.
        interval: steps between the last two evaluations.
    """

    progress: jax.Array
    step: jax.Array
    level: jax.Array
    num_high: jax.Array
    reached: jax.Array
    left_step: jax.Array
    high_step: jax.Array
    fired_step: jax.Array
    interval: jax.Array


def start_watch(progress: jax.Array) -> Watch:
    """Of a run at step 0. `progress` is ρ, a scalar."""
    step = jnp.float32(0.0)
    reached = jnp.where(progress >= LEVELS, step, jnp.inf)
    level = jnp.maximum(progress, _LOWEST)
    return Watch(
        progress=progress,
        step=step,
        level=level,
        num_high=jnp.int32(0),
        reached=reached,
        left_step=step,
        high_step=step,
        fired_step=jnp.full_like(step, jnp.inf),
        interval=step,
    )


def observe(watch: Watch, progress: jax.Array, step: jax.Array, settings: DetectorSettings) -> Watch:
    """Takes one evaluation into account. `progress` is ρ, `step` its time, both scalars."""
    step = step.astype(jnp.float32)
    rise = progress - watch.progress
    share = (LEVELS - watch.progress) / jnp.where(rise > 0, rise, 1.0)
    crossed = watch.step + jnp.clip(share, 0.0, 1.0) * (step - watch.step)
    is_new = (progress >= LEVELS) & jnp.isinf(watch.reached)
    jump = jnp.clip(jnp.maximum(progress, _LOWEST) - watch.level, -_LARGEST_JUMP, _LARGEST_JUMP)
    level = watch.level + jump / _SMOOTHING
    reached = jnp.where(is_new, crossed, watch.reached)
    is_low = level < settings.low
    is_lost = is_low & (jnp.maximum(progress, settings.low) < LEVELS)
    num_high = jnp.where(level >= settings.high, watch.num_high + 1, 0)
    is_firing = (num_high >= _CONFIRMATION) & jnp.isinf(watch.fired_step)

    def risen(to: float, before: jax.Array) -> jax.Array:
        is_rising = (watch.level < to) & (level >= to)
        share = (to - watch.level) / jnp.where(is_rising, level - watch.level, 1.0)
        return jnp.where(is_rising, watch.step + share * (step - watch.step), before)

    return Watch(
        progress=progress,
        step=step,
        level=level,
        num_high=num_high,
        reached=jnp.where(is_lost, jnp.inf, reached),
        left_step=risen(settings.low, watch.left_step),
        high_step=risen(settings.high, watch.high_step),
        fired_step=jnp.where(is_low, jnp.inf, jnp.where(is_firing, step, watch.fired_step)),
        interval=step - watch.step,
    )


def onset_estimate(watch: Watch, settings: DetectorSettings) -> jax.Array:
    """Where the break that has fired began, in steps; NaN where none has.

    A curve that grows as `exp(t/τ)` is followed by an average over n evaluations at a distance of
    `τ·ln(1 + (n − 1)·interval/τ)`, and τ is how long the average took from `low` to `high`, over
    the logarithm of their ratio. A straight line, for which τ is infinite, by n − 1 evaluations.
    """
    growth = (watch.high_step - watch.left_step) / jnp.log(settings.high / settings.low)
    growth = jnp.maximum(growth, 1e-3 * watch.interval)
    lag = growth * jnp.log1p((_SMOOTHING - 1.0) * watch.interval / growth)
    onset = jnp.where(watch.left_step > 0, jnp.maximum(watch.left_step - lag, 0.0), 0.0)
    return jnp.where(jnp.isfinite(watch.fired_step), onset, jnp.nan)


def is_settled(watch: Watch, settings: DetectorSettings) -> jax.Array:
    """Whether the onset is behind, and the status the same wherever the curve will end.

    The onset cannot move any more once the curve has been high for half the window of the running
    median. The end is somewhere between the present level and ρ = 1; suddenness must lie on one
    side of each of its thresholds for all of these, by a margin. A later fall back to chance, or
    a steeper rise after a long further plateau, is what this cannot foresee.
    """
    ends = watch.level + jnp.linspace(0.0, 1.0, _NUM_ENDS) * (1.0 - watch.level)
    suddenness = jax.vmap(lambda end: _suddenness(watch.reached, end, settings))(ends)
    factor = 1.0 + settings.settle_margin
    broke, none = settings.suddenness_broke, settings.suddenness_none
    is_decided = (
        jnp.all(suddenness >= broke * factor)
        | jnp.all(suddenness < none / factor)
        | jnp.all((suddenness >= none * factor) & (suddenness < broke / factor))
    )
    is_confirmed = watch.num_high > settings.window // 2
    return is_confirmed & (watch.level >= settings.settle_level) & is_decided


def _suddenness(reached: jax.Array, end: jax.Array, settings: DetectorSettings) -> jax.Array:
    """Delay over width if the curve were to end at ρ = `end`; NaN where no width is known."""
    span = jnp.maximum(1, jnp.round(settings.level_step * end / _STEP).astype(jnp.int32))
    lower = jnp.arange(_ZERO, _NUM_LEVELS)
    upper = jnp.minimum(lower + span, _NUM_LEVELS - 1)
    is_known = (lower + span < _NUM_LEVELS) & jnp.isfinite(reached[upper])
    duration = jnp.where(is_known, reached[upper] - reached[lower], jnp.inf)
    width = 8.0 * jnp.maximum(jnp.min(duration), 1e-6)
    position = (0.1 * end - _LOWEST) / _STEP
    below = jnp.floor(position).astype(jnp.int32)
    rise = reached[below] + (position - below) * (reached[below + 1] - reached[below])
    delay = jnp.maximum(0.0, rise - reached[0])
    return jnp.where(jnp.any(is_known), delay / width, jnp.nan)
