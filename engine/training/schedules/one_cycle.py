"""`one_cycle`: up from a 25th of the peak in three tenths of the cycle, then down to a share; Smith and Topin (2019).

Both ways are half cosines, as in `optax.cosine_onecycle_schedule`.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ...arms.options import REQUIRED, Option
from . import steps

OPTIONS = (
    steps("cycle_steps", REQUIRED, "length of the cycle", 2),
    Option("end_fraction", float, 0.0, "final learning rate over its peak", part="hyperparam", minimum=0, maximum=1),
)
_RISE, _FIRST = 0.3, 1 / 25


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step."""
    share = jnp.clip(step / h["cycle_steps"], 0.0, 1.0)
    up = 0.5 * (1.0 - jnp.cos(jnp.pi * share / _RISE))
    down = 0.5 * (1.0 + jnp.cos(jnp.pi * (share - _RISE) / (1.0 - _RISE)))
    end = h["end_fraction"]
    return jnp.where(share < _RISE, _FIRST + (1.0 - _FIRST) * up, end + (1.0 - end) * down)
