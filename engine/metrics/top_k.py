"""`top_k`: share of examples whose class is among the k largest outputs."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..errors import InputError
from ..losses import Options, Targets
from . import Metric, require_classes

TITLE = "top-k accuracy"
OPTIONS = (Option("top_k", int, 5, "largest outputs among which the class counts as found", minimum=1),)


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where there are no classes, or no more than k of them."""
    require_classes("top_k", targets, num_outputs)
    k = options["top_k"]
    if k >= num_outputs:
        raise InputError(f"top_k={k}: expected less than the {num_outputs} classes")

    def share(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        own = jnp.take_along_axis(outputs, labels[:, None], axis=1)
        # Of equal outputs the earlier one comes first, as in sorting.
        is_before = jnp.arange(num_outputs) < labels[:, None]
        ahead = (outputs > own) | ((outputs == own) & is_before)
        return jnp.mean(jnp.sum(ahead, axis=1) < k)

    return share
