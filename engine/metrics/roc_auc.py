"""`roc_auc`: the chance that an example of a class has a larger output for it than one of another class.

Equal outputs count one half. It is meaned over the classes of which there are examples, and others; of two classes it
is that of the difference of their outputs. Source: Hanley and McNeil (1982).
"""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..losses import Options, Targets
from . import Metric, require_classes

TITLE = "area under the ROC curve"
OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where there are no classes."""
    require_classes("roc_auc", targets, num_outputs)

    def area(scores: jax.Array, is_in: jax.Array) -> jax.Array:
        in_order = jnp.sort(scores)
        below = jnp.searchsorted(in_order, scores, side="left") + jnp.searchsorted(in_order, scores, side="right")
        inside = jnp.sum(is_in, dtype=jnp.float32)
        outside = len(scores) - inside
        rank_sum = jnp.sum(jnp.where(is_in, (below + 1) / 2, 0.0))
        return (rank_sum - inside * (inside + 1) / 2) / (inside * outside)

    def mean_area(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        if num_outputs == 2:
            return area(outputs[:, 1] - outputs[:, 0], labels == 1)
        is_in = labels[:, None] == jnp.arange(num_outputs)
        areas = jax.vmap(area, in_axes=1)(outputs, is_in)
        return jnp.mean(areas, where=jnp.any(is_in, axis=0) & ~jnp.all(is_in, axis=0))

    return mean_area
