"""A loss that is not a number at any start.

Definition: the loss of the batch is infinite, or no number, at every start that is tried. False alarms: none, because
nothing can be learned from such a loss.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look


def find(look: Look) -> Finding | None:
    """Finds a loss without a value."""
    if np.any(np.isfinite(look.losses)):
        return None
    return Finding(
        "no_loss",
        "fault",
        f"the loss of the first batch is {'not a number' if np.isnan(look.losses[0]) else 'infinite'} at every start",
        "look for a division, a root or a logarithm that has no value, or for inputs that are far too large",
        causes.NOT_FINITE,
    )
