"""`hinge`: how far the output of the right class is from being largest by a margin; Crammer and Singer (2001)."""

import jax
import jax.numpy as jnp

from . import MARGIN, Loss, Options, Targets, most_likely_is_right, require_classes

OPTIONS = (MARGIN,)


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss; raises InputError where the targets are values."""
    require_classes("hinge", targets)

    def of_examples(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        is_right = jax.nn.one_hot(labels, targets.num_outputs, dtype=bool)
        right = jnp.sum(jnp.where(is_right, outputs, 0), axis=-1)
        others = jnp.max(jnp.where(is_right, -jnp.inf, outputs), axis=-1)
        return jnp.maximum(0.0, options["margin"] + others - right)

    return Loss(of_examples, targets.num_outputs, most_likely_is_right)
