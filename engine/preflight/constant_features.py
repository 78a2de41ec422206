"""Features that never change.

Definition: above half of the features, and not all, are the same in all examples that are looked at (at most 4,096).
They tell nothing, and weights behind them get no gradient where the features are 0; many at once may mean that inputs
were read, cut or joined wrongly. Pixels at an edge are such: of the digits a twentieth. Source: LeCun et al.
(1998), "Efficient BackProp", section 4.3. False alarms: inputs with many rare words or categories.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST = 0.5


def find(look: Look) -> Finding | None:
    """Finds inputs most features of which are constant."""
    if not look.has_numbers or not look.is_kept:
        return None
    rows = look.training.rows
    is_constant = np.ptp(rows, axis=0) == 0
    if np.mean(is_constant) <= _MOST or is_constant.all():
        return None
    return Finding(
        "constant_features",
        "note",
        f"{int(is_constant.sum()):,} of {len(is_constant):,} features are the same in all of {len(rows):,} examples",
        "look at how the inputs are read; leave out what never changes",
        causes.CONSTANT,
    )
