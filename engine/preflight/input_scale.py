"""Inputs of another order than one, as a whole.

Definition: the root mean square of all inputs, about 0, is above 10, or it is below 0.03 and no input is above 0.3.
Initial schemes keep a signal of order one at that size (LeCun et al. 1998, "Efficient BackProp"; He et al. 2015), and
one optimiser step changes outputs in proportion to the squared size of the inputs; the bounds, in
`engine/tasks/scales.py`, leave a factor of ten or more on either side of what standardised, unit-scaled and one-hot
inputs have. Nothing is said where the network scales the inputs itself, so that its first weights are given numbers
within the bounds; and it is only a sign where the configuration's own optimiser learns one batch as they are. Whole
numbers that name things, such as tokens, are not inputs of this kind: an integer type is left alone. False alarms: see
docs/check.md.
"""

import numpy as np

from ..tasks.scales import are_wrong_inputs, scale_of
from . import causes
from .findings import Finding, amount
from .look import Look

_BYTE = 255.0


def find(look: Look) -> Finding | None:
    """Finds inputs that are far too large or too small."""
    if not look.has_numbers:
        return None
    rows = look.training.rows
    scale, least, most = scale_of(rows), float(rows.min()), float(rows.max())
    if not are_wrong_inputs(scale.size, scale.largest) or (look.entered and not are_entering_wrong(look)):
        return None
    is_of_bytes = least >= 0 and most <= _BYTE and np.array_equal(rows, np.round(rows))
    what = "as pixels of 8 bits do, " if is_of_bytes else ""
    return Finding(
        "input_scale",
        look.strength_if_harmful,
        f"the inputs go from {amount(least)} to {amount(most)}, {what}with a root mean square of {amount(scale.size)}, "
        f"where networks and learning rates are made for inputs of order one",
        "standardise the inputs (--scaling=standard)" + (", or divide them by 255" if is_of_bytes else ""),
        causes.INPUTS,
    )


def are_entering_wrong(look: Look) -> bool:
    """Tells whether the first weights are known to be given numbers that are far too large, or far too small."""
    return any(are_wrong_inputs(entering.size, entering.largest) for entering in look.entered)
