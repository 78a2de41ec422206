"""A loss that is not a number at any start.

Definition: the loss of the batch is infinite, or no number, at every start that is tried. False alarms: none, because
nothing can be learned from such a loss.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_LARGEST_ROOT = float(np.sqrt(np.finfo(np.float32).max))


def find(look: Look) -> Finding | None:
    """Finds a loss without a value."""
    if np.any(np.isfinite(look.losses)):
        return None
    advice = "look for a division, a root or a logarithm that has no value, or for inputs that are far too large"
    if not look.has_classes and np.isinf(look.losses[0]):
        size = float(np.max(np.abs(np.asarray(look.training.targets, np.float64))))
        if size > _LARGEST_ROOT:
            advice = (
                f"standardise the targets (--target_scaling=standard): they are as large as {size:.3g}, and the "
                f"square of that has no place in single precision"
            )
    return Finding(
        "no_loss",
        "fault",
        f"the loss of the first batch is {'not a number' if np.isnan(look.losses[0]) else 'infinite'} at every start",
        advice,
        causes.NOT_FINITE,
    )
