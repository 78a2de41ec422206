"""`macro_f1`: harmonic mean of precision and recall, meaned over the classes that occur or are predicted."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from ..losses import Options, Targets
from . import Metric, require_classes

TITLE = "macro F1"
OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, num_outputs: int, options: Options) -> Metric:
    """Returns the metric; raises InputError where there are no classes."""
    require_classes("macro_f1", targets, num_outputs)

    def mean_f1(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        predicted = jnp.argmax(outputs, axis=-1)
        number = jnp.bincount(labels, length=num_outputs) + jnp.bincount(predicted, length=num_outputs)
        right = jnp.bincount(labels, (predicted == labels).astype(jnp.float32), length=num_outputs)
        return jnp.mean(2 * right / number, where=number > 0)

    return mean_f1
