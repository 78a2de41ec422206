"""A place of the network that passes on fewer numbers of an example than the classes need.

Definition, of classes: the fewest numbers of an example through which all passes that the outputs know of it, counted
in the traced network over every way around (shortcuts, other branches), are fewer than log2 of the number of classes,
and fewer than the inputs have. Units that are on or off tell 2^n classes apart with n units; with fewer the classes
have to share a line or a plane, in order, which is hard to learn and may be meant. Source: this count of patterns.
Nothing is said of values to predict: how many numbers they need is not known. False alarms: see docs/check.md.
"""

import math

import numpy as np

from ..errors import counted
from . import causes
from .findings import Finding
from .look import Look


def find(look: Look) -> Finding | None:
    """Finds a bottleneck that is too narrow for the classes."""
    if not look.has_classes:
        return None
    num_classes = look.outputs.shape[-1]
    needed = math.ceil(math.log2(max(1, num_classes)))
    rows = look.training.rows
    given = int(np.sum(np.ptp(rows, axis=0) > 0)) if look.is_kept else rows.shape[1]
    if look.narrowest >= min(needed, given):
        return None
    return Finding(
        "narrow_layer",
        "sign",
        f"a layer passes on {counted(look.narrowest, 'number')} of each example, and {num_classes} classes need "
        f"{needed}: the capacity is too small there",
        "make the narrowest layer wider",
        causes.CAPACITY,
    )
