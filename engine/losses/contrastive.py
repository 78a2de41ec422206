"""`contrastive`: pairs of one class near each other, others at a margin; Hadsell, Chopra and LeCun (2006).

Each example of a batch is held against the next one, the last against the first: d² where their classes are the same,
max(0, margin − d)² where not. Outputs that are all alike cost the margin's square for each pair of unlike examples.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.options import Option
from . import MARGIN, Loss, Options, Targets, require_classes

OPTIONS = (MARGIN, Option("embedding_size", int, 8, "outputs of the network", minimum=1, maximum=10**6))
# Below the square root, whose slope at 0 is not finite.
_TINY = 1e-12


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss; raises InputError where the targets are values."""
    require_classes("contrastive", targets)
    margin = options["margin"]

    def of_examples(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        squares = jnp.sum((outputs - jnp.roll(outputs, 1, axis=0)) ** 2, axis=-1)
        apart = jnp.maximum(0.0, margin - jnp.sqrt(squares + _TINY)) ** 2
        return jnp.where(labels == jnp.roll(labels, 1), squares, apart)

    return Loss(of_examples, options["embedding_size"], chance=margin**2 * float(1 - np.sum(targets.shares**2)))
