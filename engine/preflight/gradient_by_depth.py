"""Gradients that vanish, or explode, from layer to layer.

Definition: of the weights in the order of the network, the gradient of the first, relative to the size of the weights,
is below 1e-3 or above 1e3 times that of the last, in the median over starts: a sigmoid takes away three quarters of a
gradient, so that five of them come to 1e-3. An optimiser that divides by the size of a gradient hides it, until ε or
rounding takes over; one that does not hardly moves one end of the network. Sources: Bengio et al. (1994); Glorot and
Bengio (2010). False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

LEAST, _MOST = 1e-3, 1e3


def find(look: Look) -> Finding | None:
    """Finds a signal that is lost, or blown up, over the depth."""
    ratio = first_to_last(look)
    if ratio is None or LEAST <= ratio <= _MOST:
        return None
    first, last = (look.leaf_names[i] for i in (look.weights[0], look.weights[-1]))
    activation = ", a rectifier in place of the activation" if look.saturating else ""
    return Finding(
        "gradient_by_depth",
        "sign",
        f"the gradient of {first!r} is {ratio:.1g} times that of {last!r}, relative to their weights: the signal "
        f"{'vanishes' if ratio < 1 else 'explodes'} over the depth",
        f"He's start (--init=he){activation}, normalisation or shortcuts",
        causes.VANISHING if ratio < 1 else causes.EXPLODING,
    )


def first_to_last(look: Look) -> float | None:
    """Returns the gradient of the first weights over that of the last, each over its weights; `None` if not known."""
    if len(look.weights) < 2:
        return None
    sizes = [
        np.median(look.grads[:, i]) / max(float(np.median(look.params[:, i])), 1e-30)
        for i in (look.weights[0], look.weights[-1])
    ]
    if min(sizes) == 0 or not np.all(np.isfinite(sizes)):
        return None
    return float(sizes[0] / sizes[1])
