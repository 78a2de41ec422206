"""Learning-rate schedules, one file each, with `OPTIONS` and `factor(step, hyperparams)`, the rate over its peak.

They are ours because those of optax branch on their arguments, which a traced number cannot answer.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ...arms.options import Option


def steps(name: str, default: Any, help: str, minimum: int) -> Option:
    """Declares a number of steps."""
    return Option(name, int, default, help, part="hyperparam", unit="steps", minimum=minimum, maximum=1e9)


WARMUP_STEPS = steps("warmup_steps", 0, "length of the linear rise from 0", 0)


def after_rise(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the steps since the end of the rise, 0 before."""
    return jnp.maximum(step - h["warmup_steps"], 0.0)


def linear_rise(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the factor of a linear rise from 0 to 1 over `warmup_steps`."""
    length = h["warmup_steps"]
    return jnp.where(step < length, step / jnp.maximum(length, 1.0), 1.0)
