"""`mean_absolute_error`: mean distance of outputs from values, in the unit that is trained on."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..losses import Options, Targets
from . import Metric, require_values

TITLE = "mean absolute error"
OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where the targets are no values."""
    require_values("mean_absolute_error", targets)

    def error(outputs: jax.Array, values: jax.Array) -> jax.Array:
        return jnp.mean(jnp.abs(outputs - values))

    return error
