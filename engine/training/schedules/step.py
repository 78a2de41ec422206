"""`step`: a linear rise from 0, then a fall by a factor at once, every so many steps."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from . import WARMUP_STEPS, after_rise, linear_rise
from .exponential import OPTIONS as _OPTIONS

OPTIONS = (WARMUP_STEPS, *_OPTIONS[1:])


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step."""
    return linear_rise(step, h) * h["decay_rate"] ** jnp.floor(after_rise(step, h) / h["transition_steps"])
