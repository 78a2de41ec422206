"""Inputs that the network makes alike before its first weights.

Definition: every array that comes from the inputs, and that the first weights are given, differs between the examples
of a batch by less than a millionth of its size, above rounding to single precision, at every start, though the inputs
differ by more; and half precision alone does not do it (see `low_precision`). A norm over an axis of length one does
that, a cast to whole numbers, an index of the wrong column.
False alarms: none, because it holds by arithmetic.
"""

import numpy as np

from . import causes, low_precision
from .findings import Finding, is_fault
from .look import Look

_ROUNDING = 1e-6


def find(look: Look) -> Finding | None:
    """Finds inputs that never arrive at the weights."""
    inputs = np.asarray(look.batch.inputs, np.float64)
    do_differ = bool(np.any(np.ptp(inputs, axis=0) > _ROUNDING * np.max(np.abs(inputs), initial=0.0)))
    if is_fault(low_precision.find(look)):
        return None
    if not do_differ or not look.entered or any(of.change > _ROUNDING * of.size for of in look.entered):
        return None
    return Finding(
        "lost_inputs",
        "fault",
        "the inputs differ from example to example, and what the network makes of them before its first weights does "
        "not",
        "look at what the network does with its inputs first: a norm over one number, a cast to whole numbers",
        causes.CONSTANT,
    )
