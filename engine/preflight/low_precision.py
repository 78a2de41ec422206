"""Half precision that loses the gradient or the steps.

Definition: in a network that computes in half precision (--precision=bfloat16, or casts in a network of the user's),
against the same network in single precision, in the median over starts: it overflows where that does not; or the
outputs differ by more than half of what they differ by from example to example; or the gradient of above 10 % of the
weights is exactly 0 where that has another one. Or, of parameters that are kept in half precision, the first step
changes less than half of those that it should, because it is below half a unit in their last place (0.2 % of a
bfloat16). The first two are faults, and so is the third from half of the weights on: what is trained is another
function, or none. Products in bfloat16 with parameters in single precision lose below 1 % and move the outputs by about
1 % (measured on the digits).
Source: Micikevicius et al. (2018), "Mixed precision training", sections 3.1 and 3.2. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, Strength
from .look import Look

_MOST_ZEROED, _FAR_TOO_MANY, _MOST_LOST, _MOST_DISPLACED = 0.1, 0.5, 0.5, 0.5


def find(look: Look) -> Finding | None:
    """Finds outputs, gradients and steps that rounding takes away."""
    zeroed, lost, displaced = (float(np.median(of)) for of in (look.zeroed, look.lost, look.displaced))
    strength: Strength = "sign"
    if np.isnan(zeroed):
        sentence = "the loss or its gradient is not finite in half precision, and is in single precision"
        strength = "fault"
    elif displaced > _MOST_DISPLACED:
        sentence = f"half precision changes the outputs by {100 * displaced:.2g} % of their spread over examples"
        strength = "fault"
    elif zeroed > _MOST_ZEROED:
        sentence = f"half precision makes the gradient of {100 * zeroed:.2g} % of the weights exactly 0"
        strength = "fault" if zeroed > _FAR_TOO_MANY else "sign"
    elif lost > _MOST_LOST:
        sentence = f"the first step is rounded away in {100 * lost:.2g} % of the parameters in half precision"
    else:
        return None
    advice = "keep parameters in single precision, and compute in bfloat16 or single precision (--precision=float32)"
    return Finding("low_precision", strength, sentence, advice, causes.PRECISION)
