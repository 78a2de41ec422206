"""The detector that watches a run while it trains, as pure functions of one run.

It tells when the status that the reference detector will give a run is settled, so that the lane can go to another run:
when delay and width, which follow from the times at which the curve first reached each of a ladder of levels, give the
same status for every level at which it may end.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .settings import DetectorSettings

_STEP = 0.01
_LOWEST = -0.05
_NUM_LEVELS = 106
LEVELS = np.asarray(_LOWEST + _STEP * np.arange(_NUM_LEVELS), np.float32)
_ZERO = 5  # position of ρ = 0 among the levels
_NUM_ENDS = 6
_SMOOTHING = 5.0
_LARGEST_JUMP = 0.25


class Watch(NamedTuple):
    """What is known of a curve so far: ρ = `progress` at the last evaluation, and its step.

    Attributes:
        level: exponential average of max(ρ, −0.05), in which no evaluation is a jump of more than 0.25.
        num_high: consecutive evaluations, up to the last, with `level` at `high` or above.
        reached: step at which the curve first reached each of `LEVELS`, linearly interpolated; infinite where it has
            not, or has fallen back to its plateau since.
    """

    progress: jax.Array
    step: jax.Array
    level: jax.Array
    num_high: jax.Array
    reached: jax.Array


def start_watch(progress: jax.Array) -> Watch:
    """Returns the watch of a run whose ρ at step 0 is `progress`."""
    step = jnp.float32(0.0)
    reached = jnp.where(progress >= LEVELS, step, jnp.inf)
    return Watch(progress, step, jnp.maximum(progress, _LOWEST), jnp.int32(0), reached)


def observe(watch: Watch, progress: jax.Array, step: jax.Array, settings: DetectorSettings) -> Watch:
    """Adds one evaluation: ρ = `progress` at `step`, both scalars."""
    step = step.astype(jnp.float32)
    rise = progress - watch.progress
    share = (LEVELS - watch.progress) / jnp.where(rise > 0, rise, 1.0)
    crossed = watch.step + jnp.clip(share, 0.0, 1.0) * (step - watch.step)
    is_new = (progress >= LEVELS) & jnp.isinf(watch.reached)
    jump = jnp.clip(jnp.maximum(progress, _LOWEST) - watch.level, -_LARGEST_JUMP, _LARGEST_JUMP)
    level = watch.level + jump / _SMOOTHING
    is_lost = (level < settings.low) & (jnp.maximum(progress, settings.low) < LEVELS)
    num_high = jnp.where(level >= settings.high, watch.num_high + 1, 0)
    reached = jnp.where(is_lost, jnp.inf, jnp.where(is_new, crossed, watch.reached))
    return Watch(progress, step, level, num_high, reached)


def is_settled(watch: Watch, settings: DetectorSettings) -> jax.Array:
    """Tells whether the onset is past, and the status the same wherever the curve will end.

    The onset no longer moves once the curve has been high for half the window of the running median. The end lies
    between the present level and ρ = 1; for all of these ends, suddenness must lie on the same side of each threshold,
    by a margin. A later fall back to chance, or a steeper rise after a long further plateau, cannot be foreseen.
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
    """Returns delay over width if the curve ends at ρ = `end`; NaN where no width is known."""
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
