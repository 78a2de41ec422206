"""`cross_entropy`: of the softmax of the outputs, in nats; the best constant gives every class its share.

Weights of classes are taken relative to their mean over the training examples, so that the mean loss keeps its size.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..arms.options import Option
from ..errors import InputError
from . import Loss, Options, Targets, most_likely_is_right, require_classes

OPTIONS = (
    Option(
        "label_smoothing",
        float,
        0.0,
        "share of a label that goes to all classes alike",
        minimum=0,
        maximum=1,
        is_open=True,
    ),
    Option(
        "class_weights",
        float,
        None,
        "weight of each class, in their order",
        unset="all alike",
        minimum=0,
        maximum=1e6,
        most=10**6,
    ),
)


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss; raises InputError where the targets are values, or the weights are not one for each class."""
    require_classes("cross_entropy", targets)
    smoothing, weights = options["label_smoothing"], relative_weights(targets, options.get("class_weights"))

    def of_examples(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        if smoothing:
            shares = optax.smooth_labels(jax.nn.one_hot(labels, targets.num_outputs, dtype=outputs.dtype), smoothing)
            losses = optax.softmax_cross_entropy(outputs, shares)
        else:
            losses = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        return losses if weights is None else losses * jnp.asarray(weights, outputs.dtype)[labels]

    return Loss(of_examples, targets.num_outputs, most_likely_is_right)


def relative_weights(targets: Targets, weights: Any) -> np.ndarray | None:
    """Returns weights of classes over their mean over the training examples; raises InputError for another number."""
    if weights is None:
        return None
    if len(weights) != targets.num_outputs:
        raise InputError(
            f"class_weights={','.join(f'{w:g}' for w in weights)}: expected {targets.num_outputs}, one for each class"
        )
    mean = float(np.dot(weights, targets.shares))
    if mean == 0:
        raise InputError("class_weights are 0 for every class that there is: expected some above 0")
    return np.asarray(weights) / mean
