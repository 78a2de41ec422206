"""`exponential`: a linear rise from 0, then falling by the same factor every so many steps."""

from collections.abc import Mapping

import jax

from ...arms.options import REQUIRED, Option
from . import WARMUP_STEPS, after_rise, linear_rise, steps

OPTIONS = (
    WARMUP_STEPS,
    steps("transition_steps", REQUIRED, "steps in which the rate falls by the factor", 1),
    Option("decay_rate", float, 0.5, "factor of the fall", part="hyperparam", is_positive=True, maximum=1),
)


def factor(step: jax.Array, h: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the learning rate over its peak at a step."""
    return linear_rise(step, h) * h["decay_rate"] ** (after_rise(step, h) / h["transition_steps"])
