"""`r_squared`: one minus the squared error over that of the mean, each output on its own, meaned over outputs."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..losses import Options, Targets
from . import Metric, require_values

TITLE = "R²"
OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where the targets are no values."""
    require_values("r_squared", targets)

    def share(outputs: jax.Array, values: jax.Array) -> jax.Array:
        spread = jnp.mean((values - values.mean(axis=0)) ** 2, axis=0)
        error = jnp.mean((outputs - values) ** 2, axis=0)
        return jnp.mean(1 - error / spread, where=spread > 0)

    return share
