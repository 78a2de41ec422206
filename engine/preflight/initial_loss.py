"""A loss that is far above that of a constant before anything is learned.

Definition: the median loss at the start is above 3 times that of the best constant prediction. The outputs are then
large and wrong, and have to come down first; with He's start and inputs of order one the loss begins within 1.5 times
chance level. Of regression the targets' scale says the same, so only classifiers are judged. Source: He et al. (2015),
"Delving Deep into Rectifiers". False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look

_MOST = 3.0


def find(look: Look) -> Finding | None:
    """Finds a start at which the loss is far above chance level."""
    ratio = float(np.median(look.losses)) / look.chance_loss
    if not look.has_classes or not ratio > _MOST:
        return None
    return Finding(
        "initial_loss",
        "sign",
        f"the loss begins at {amount(ratio)} times that of the best constant prediction: the start, or the inputs, "
        "are too large",
        "a smaller start (--init=he), or standardised inputs",
        causes.SCALE,
    )
