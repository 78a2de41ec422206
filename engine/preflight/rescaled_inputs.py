"""Inputs of order one that the network itself makes far too large, or far too small.

Definition: the inputs are within the bounds of `input_scale`, and of an array that the first weights of the network are
given, the root mean square is above 10, or it is below 0.03 and no number is above 0.3. A second division by 255 does
that: one in the data, and one in the first layer. It is a sign where its own optimiser learns one batch all the same.
False alarms: see docs/check.md.
"""

import math

from ..tasks.scales import are_wrong_inputs, scale_of
from . import causes
from .findings import Finding, amount
from .input_scale import are_entering_wrong
from .look import Look


def find(look: Look) -> Finding | None:
    """Finds a network that scales its inputs beyond the bounds."""
    if not look.has_numbers or not are_entering_wrong(look):
        return None
    scale = scale_of(look.training.rows)
    if are_wrong_inputs(scale.size, scale.largest):
        return None
    sizes = [of.size for of in look.entered if are_wrong_inputs(of.size, of.largest)]
    size = max(sizes, key=lambda size: abs(math.log(size)))
    return Finding(
        "rescaled_inputs",
        look.strength_if_harmful,
        f"the inputs have a root mean square of {amount(scale.size)}, and what the network makes of them before its "
        f"first weights has one of {amount(size)}",
        "look for a scaling of the inputs in the network that is done already, such as a second division by 255",
        causes.INPUTS,
    )
