"""Dropout that leaves more noise than signal.

Definition: between two draws of the dropout an output differs by a standard deviation of more than 20 times that
between examples, in the median over starts. With a share p dropped after each of d layers the ratio is about
√((1 − p)^−d − 1) times that of the size of a unit to its deviation over examples. Of the digits it is 3.5 with 0.5 in
two layers and 7.5 in the two dense ones after five convolutions, and 50 with 0.8 in four. Source: Srivastava et al.
(2014), "Dropout", who use up to 0.5. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look

_MOST = 20.0


def find(look: Look) -> Finding | None:
    """Finds dropout, or other noise of the network, that drowns the signal."""
    known = look.noise[np.isfinite(look.noise)]
    if not known.size or np.median(known) <= _MOST:
        return None
    ratio = amount(float(np.median(known)))
    return Finding(
        "strong_dropout",
        "fault",
        f"the noise of dropout is {ratio} times as large as what tells one example from another",
        "lower the dropout, to 0.5 or less, or take it out",
        causes.DROPOUT,
    )
