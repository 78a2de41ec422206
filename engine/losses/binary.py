"""`binary`: cross-entropy of the logistic of each output, in nats, the mean over outputs.

Two classes have one output, more have one each, against all others. Values are shares between 0 and 1, such as several
labels at once.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..errors import InputError
from . import Loss, Options, Targets, of_values

OPTIONS = ()


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss; raises InputError for values that are no shares."""
    if not targets.are_classes and not (np.min(targets.array) >= 0 and np.max(targets.array) <= 1):
        raise InputError(
            f"loss=binary needs values from 0 to 1, and these go from {np.min(targets.array):.3g} to "
            f"{np.max(targets.array):.3g}"
        )
    if not targets.are_classes or targets.num_outputs > 2:
        return of_values(optax.sigmoid_binary_cross_entropy, targets)

    def of_examples(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        return optax.sigmoid_binary_cross_entropy(outputs[..., 0], labels.astype(outputs.dtype))

    return Loss(of_examples, 1, lambda outputs, labels: (outputs[..., 0] > 0) == jnp.asarray(labels, bool))
