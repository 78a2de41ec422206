"""`linear`: a linear rise from 0, then a linear fall to a share of the peak."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from . import after_rise, linear_rise
from .cosine import OPTIONS as _OPTIONS

OPTIONS = _OPTIONS


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step."""
    share = jnp.clip(after_rise(step, h) / h["decay_steps"], 0.0, 1.0)
    return linear_rise(step, h) * (1.0 - share * (1.0 - h["end_fraction"]))
