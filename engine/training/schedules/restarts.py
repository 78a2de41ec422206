"""`restarts`: half a cosine down, again and again from the peak (SGDR); Loshchilov and Hutter (2017)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from . import after_rise, linear_rise
from .cosine import OPTIONS as _OPTIONS

OPTIONS = _OPTIONS


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step; `decay_steps` are those between restarts."""
    share = jnp.mod(after_rise(step, h), h["decay_steps"]) / h["decay_steps"]
    decay = 0.5 * (1.0 + jnp.cos(jnp.pi * share))
    return linear_rise(step, h) * (h["end_fraction"] + (1.0 - h["end_fraction"]) * decay)
