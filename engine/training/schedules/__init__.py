"""Learning-rate schedules, one file each: the rate relative to its peak, against the step number.

A schedule has `OPTIONS` and `factor(step, hyperparams)`, and one line in `SCHEDULES` of `engine.training.registry`.
They are ours because those of optax branch on their arguments, which a traced number cannot answer.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from engine.arms.options import Option

WARMUP_STEPS = Option(
    "warmup_steps", int, 0, "length of the linear rise from 0", part="hyperparam", unit="steps", minimum=0, maximum=1e9
)


def linear_rise(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the factor of a linear rise from 0 to 1 over `warmup_steps`."""
    length = h["warmup_steps"]
    return jnp.where(step < length, step / jnp.maximum(length, 1.0), 1.0)
