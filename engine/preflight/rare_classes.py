"""Most examples are of one class, or classes of the held-out examples are hardly trained on.

Definition: the most frequent class has above 90 % of the training examples. A network that always answers it is right
that often, and the loss of the best constant prediction is small from the start. Source: Johnson and Khoshgoftaar
(2019), "Survey on deep learning with class imbalance". False alarms: none by definition; it may be meant.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST = 0.9


def find(look: Look) -> Finding | None:
    """Finds a class that has nearly all examples."""
    if not look.has_classes:
        return None
    counts = np.bincount(np.asarray(look.training.targets, int).ravel())
    share = counts.max() / counts.sum()
    if share <= _MOST:
        return None
    return Finding(
        "rare_classes",
        "sign",
        f"{100 * share:.3g} % of the training examples are of one class: whoever always answers that is right as often",
        "look at balanced accuracy, or weigh or sample the classes evenly",
        causes.IMBALANCE,
    )
