"""Inputs of another order than one, as a whole.

Definition: the root mean square of all inputs, about 0, is above 10 or below 0.03. Initial schemes keep a signal of
order one at that size (LeCun et al. 1998, "Efficient BackProp"; He et al. 2015), and one optimiser step changes outputs
in proportion to the squared size of the inputs; the bounds leave a factor of ten or more on either side of what
standardised, unit-scaled and one-hot inputs have. Whole numbers that name things, such as tokens, are not inputs of
this kind: an integer type is left alone. False alarms: see docs/check.md.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding, amount
from engine.preflight.look import Look

_LEAST, _MOST = 0.03, 10.0
_BYTE = 255.0


def find(look: Look) -> Finding | None:
    """Finds inputs that are far too large or too small."""
    if not look.has_numbers:
        return None
    rows = look.training.rows
    size, least, most = float(np.sqrt(np.mean(rows**2))), float(rows.min()), float(rows.max())
    if size == 0 or _LEAST <= size <= _MOST:
        return None
    is_of_bytes = least >= 0 and most <= _BYTE and np.array_equal(rows, np.round(rows))
    what = "as pixels of 8 bits do, " if is_of_bytes else ""
    return Finding(
        "input_scale",
        "fault",
        f"the inputs go from {amount(least)} to {amount(most)}, {what}with a root mean square of {amount(size)}, "
        f"where networks and learning rates are made for inputs of order one",
        "standardise the inputs (--scaling=standard)" + (", or divide them by 255" if is_of_bytes else ""),
        causes.INPUTS,
    )
