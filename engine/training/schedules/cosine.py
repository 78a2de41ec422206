"""`cosine`: a linear rise from 0, then half a cosine down to a share of the peak; Loshchilov and Hutter (2017)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ...arms.options import REQUIRED, Option
from . import WARMUP_STEPS, after_rise, linear_rise, steps

OPTIONS = (
    WARMUP_STEPS,
    steps("decay_steps", REQUIRED, "length of the decay after the rise", 1),
    Option("end_fraction", float, 0.0, "final learning rate over its peak", part="hyperparam", minimum=0, maximum=1),
)


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step."""
    share = jnp.clip(after_rise(step, h) / h["decay_steps"], 0.0, 1.0)
    decay = 0.5 * (1.0 + jnp.cos(jnp.pi * share))
    return linear_rise(step, h) * (h["end_fraction"] + (1.0 - h["end_fraction"]) * decay)
