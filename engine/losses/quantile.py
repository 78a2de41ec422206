"""`quantile`: what is least at a quantile of the values (pinball loss); Koenker and Bassett (1978)."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from . import Loss, Options, Targets, of_values

OPTIONS = (
    Option("quantile", float, 0.5, "share of the values below the output", is_positive=True, maximum=1, is_open=True),
)


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss."""
    share = options["quantile"]

    def each(outputs: jax.Array, values: jax.Array) -> jax.Array:
        return jnp.maximum(share * (values - outputs), (share - 1) * (values - outputs))

    return of_values(each, targets)
