"""Gradients that vanish, or explode, from layer to layer.

Definition: of the weights in the order of the network, the gradient of the first, relative to the size of the weights,
is below 1e-3 or above 1e3 times that of the last, in the median over starts: a sigmoid takes away three quarters of a
gradient, so that five of them come to 1e-3. An optimiser that divides by the size of a gradient hides it, until ε or
rounding takes over; one that does not hardly moves one end of the network. Sources: Bengio et al. (1994); Glorot and
Bengio (2010). False alarms: see docs/check.md.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look

_LEAST, _MOST = 1e-3, 1e3


def find(look: Look) -> Finding | None:
    """Finds a signal that is lost, or blown up, over the depth."""
    weights = look.weights
    if len(weights) < 2:
        return None
    first, last = weights[0], weights[-1]
    sizes = [np.median(look.grads[:, i]) / max(float(np.median(look.params[:, i])), 1e-30) for i in (first, last)]
    if min(sizes) == 0 or not np.all(np.isfinite(sizes)):
        return None
    ratio = sizes[0] / sizes[1]
    if _LEAST <= ratio <= _MOST:
        return None
    names = (
        f"{look.leaf_names[first]!r} is {ratio:.1g} times that of {look.leaf_names[last]!r}, relative to their weights"
    )
    saturating = look.arm.activation in ("sigmoid", "tanh")
    activation = ", a rectifier in place of the activation" if saturating else ""
    return Finding(
        "gradient_by_depth",
        "sign",
        f"the gradient of {names}: the signal {'vanishes' if ratio < 1 else 'explodes'} over the depth",
        f"He's start (--init=he){activation}, normalisation or shortcuts",
        causes.VANISHING if ratio < 1 else causes.EXPLODING,
    )
