"""A loss that is a number, and a gradient that is none.

Definition: in most starts the loss of the batch is finite and the gradient of some leaf is not; or one batch, taken
again and again, ends in a loss that is not finite for the configuration's optimiser in every start and for Adam from
He's start at every rate, of which 3e-4 is the lowest (see `one_batch`). Where half precision alone does it,
`low_precision` says so; where values are to be predicted that are off scale, `target_scale` does. Roots and norms at 0,
divisions by 0 and logarithms of 0 have such gradients, also behind a condition that leaves their values out.
Source: the frequently asked questions of JAX, "Gradients contain NaN where using where". False alarms: see
docs/check.md.
"""

import numpy as np

from ..errors import some_of
from . import causes, low_precision, target_scale
from .findings import Finding, is_fault
from .look import Look

_MOST_NAMED = 4


def find(look: Look) -> Finding | None:
    """Finds operations whose gradient is not a number."""
    if is_fault(low_precision.find(look)) or is_fault(target_scale.find(look)):
        return None
    is_finite = np.isfinite(look.losses)
    is_broken = ~np.isfinite(look.grads) & is_finite[:, None]
    if np.mean(is_broken.any(axis=1)) > 0.5:
        names = [look.leaf_names[i] for i in np.flatnonzero(is_broken.any(axis=0))]
        what = f"the loss at the start is a number, and its gradient in {some_of(names, _MOST_NAMED)} is none"
    elif look.learned is not None and np.isinf([look.learned.own, look.learned.plain]).all():
        what = (
            f"within {look.learned.steps} steps on one batch the loss is no number any more, by its own optimiser and "
            "by Adam at every rate that was tried"
        )
    else:
        return None
    return Finding(
        "broken_gradient",
        "fault",
        what,
        "look for a root, a norm, a division or a logarithm that can be taken at 0, and add a small number to what it "
        "is taken of",
        causes.NOT_FINITE,
    )
