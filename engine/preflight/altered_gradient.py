"""A gradient that is not that of the loss.

Definition: along the gradient that reaches the parameters the loss changes more than 3 times, or less than a third, as
much as the gradient says, by central differences of 1e-5 to 1e-2 of the parameters' length, of those over which the
loss falls more than it bends, in the median over starts. Clipping, a factor, or a stopped or replaced gradient inside
the network does that; the loss itself is as differentiable as it looks. Source: the usual check of gradients (Bottou
2012, "Stochastic gradient descent tricks"). False alarms: straight-through estimators, which do so on purpose; see
docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look

_MOST = 3.0


def find(look: Look) -> Finding | None:
    """Finds gradients that were clipped, scaled or replaced on their way."""
    known = look.slopes[np.isfinite(look.slopes)]
    if not known.size:
        return None
    ratio = float(np.median(known))
    if 1 / _MOST <= ratio <= _MOST:
        return None
    return Finding(
        "altered_gradient",
        "fault",
        f"along its gradient the loss changes by {amount(ratio)} times what the gradient says",
        "look for clipping, a factor, or a stopped or replaced gradient inside the network",
        causes.ALTERED,
    )
