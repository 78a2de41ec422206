"""Training examples that lie sorted by class in their source.

Definition: neighbouring examples differ in class less than a fifth as often as after shuffling, where that is expected
ten times or more. Plateau shuffles every pass, so nothing is wrong here; a loop that takes the file in its order shows
one class after another, and forgets each. With n shuffled examples the share of changes has a standard deviation of
about 0.5/√n, so that chance alone never comes near a fifth. False alarms: none in shuffled data.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST, _FEWEST_CHANGES = 0.2, 10.0


def find(look: Look) -> Finding | None:
    """Finds examples in the order of their classes."""
    targets = np.asarray(look.training.targets)
    if not look.has_classes or not look.is_kept or targets.ndim != 1:
        return None
    shares = np.bincount(targets.astype(int)) / len(targets)
    expected = (len(targets) - 1) * (1 - float(np.sum(shares**2)))
    changes = int(np.sum(targets[1:] != targets[:-1]))
    if expected < _FEWEST_CHANGES or changes >= _MOST * expected:
        return None
    return Finding(
        "sorted_examples",
        "note",
        "the examples lie sorted by class in their source; here they are shuffled before every pass",
        "check that your own training loop shuffles them too",
        causes.ORDER,
    )
