"""`balanced_accuracy`: the share that is right of each class that occurs, meaned over classes."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..losses import Options, Targets
from . import Metric, require_classes

TITLE = "balanced accuracy"
OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where there are no classes."""
    require_classes("balanced_accuracy", targets, num_outputs)

    def mean_recall(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        is_right = (jnp.argmax(outputs, axis=-1) == labels).astype(jnp.float32)
        number = jnp.bincount(labels, length=num_outputs)
        right = jnp.bincount(labels, is_right, length=num_outputs)
        return jnp.mean(right / number, where=number > 0)

    return mean_recall
