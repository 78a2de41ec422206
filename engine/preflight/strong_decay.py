"""A weight decay that holds the weights below their start.

Definition, of a decay λ that is decoupled (AdamW, Lion): 1/λ is below the root mean square of most arrays of weights at
the start. With updates that the optimiser keeps within the learning rate no weight can stay above 1/λ, so this is a
fault. Of a decay that is part of the gradient (L2; SGD, Adam, RMSprop): λ times the weights is above 10 times the
gradient of the loss, once it is clipped, in most arrays of weights, in the median over starts, and the training is long
enough for a weight to go (1/(learning rate · λ) steps of SGD, |w|/learning rate of the others). Weights then shrink
until the two are alike; a gradient may grow by then, so this is a sign. Source: Loshchilov and Hutter (2019),
"Decoupled weight decay regularization", who use up to 0.1. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look

_DECOUPLED = ("adamw", "lion")
_MOST_PULL = 10.0


def find(look: Look) -> Finding | None:
    """Finds a decay that takes the weights away before they learn."""
    decay = look.arm.weight_decay
    if not decay or not look.weights:
        return None
    clipped = look.grads * look.clipped[:, None]
    sizes, grads = (np.median(values[:, look.weights], axis=0) for values in (look.params, clipped))
    if look.arm.optimizer not in _DECOUPLED:
        return _by_gradient(look, decay, sizes, grads)
    bound = 1 / decay
    if np.mean(bound < sizes) < 0.5:
        return None
    return Finding(
        "strong_decay",
        "fault",
        f"a weight decay of {decay:g} lets no weight stay above {bound:.2g}, and the weights start at "
        f"{np.median(sizes):.2g}",
        "lower the weight decay, to 0.1 or less, or take it out (--weight_decay=0)",
        causes.DECAY,
    )


def _by_gradient(look: Look, decay: float, sizes: np.ndarray, grads: np.ndarray) -> Finding | None:
    """Finds a decay that is part of the gradient, and most of it."""
    pulls, rate = decay * sizes, look.arm.learning_rate
    if np.mean(pulls > _MOST_PULL * grads) < 0.5 or not np.all(np.isfinite(grads)):
        return None
    steps = 1 / (rate * decay) if look.arm.optimizer == "sgd" else float(np.median(sizes)) / rate
    if look.horizon is not None and steps > look.horizon:
        return None
    ratio = float(np.median(pulls / np.maximum(grads, 1e-30)))
    return Finding(
        "strong_decay",
        "sign",
        f"a weight decay of {decay:g} pulls the weights {amount(ratio)} times as hard as the loss does at the start, "
        f"and takes about {amount(steps)} steps to do away with them",
        "lower the weight decay, to 1e-3 or less, or take it out (--weight_decay=0)",
        causes.DECAY,
    )
