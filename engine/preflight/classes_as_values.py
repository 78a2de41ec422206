"""Numbers of classes that are predicted as values.

Definition: the values to predict are whole numbers from 0 or 1 on without a gap, 3 to 20 of them, and each has 5
examples or more. A squared error then holds classes that are far apart by number for far apart in fact. Counts and
ratings look the same and may be meant, so this is a note. (Numbers of classes that begin at another number than 0, or
leave some out, are numbered anew as they are read; a class without a training example, and data of one class alone,
are refused.) Source: Bishop (2006), "Pattern Recognition and Machine Learning", section 4.1.3. False alarms: counts.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_FEWEST, _MOST, _FEWEST_EXAMPLES = 3, 20, 5


def find(look: Look) -> Finding | None:
    """Finds values that may be numbers of classes."""
    targets = np.asarray(look.training.targets)
    if look.has_classes or not look.is_kept or targets.ndim != 2 or targets.shape[1] != 1:
        return None
    values, counts = np.unique(targets, return_counts=True)
    is_numbering = values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(len(values)))
    if not is_numbering or not _FEWEST <= len(values) <= _MOST or counts.min() < _FEWEST_EXAMPLES:
        return None
    return Finding(
        "classes_as_values",
        "note",
        f"the values to predict are whole numbers from {values[0]:g} to {values[-1]:g}, as classes have, and the "
        "loss is a squared error",
        "if they are classes, say so (--target_kind=classes); counts and ratings are fine as they are",
        causes.MISFIT,
    )
