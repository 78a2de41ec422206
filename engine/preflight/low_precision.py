"""Half precision that loses the gradient or the steps.

Definition: in a network that computes in half precision (--precision=bfloat16, or casts in a network of the user's),
the gradient of above 10 % of the weights is exactly 0 where the same network in single precision has another one; or it
overflows where that does not; or, of parameters that are kept in half precision, the first step changes less than half
of those that it should, because it is below half a unit in their last place (0.2 % of a bfloat16); in the median over
starts. Products in bfloat16 with parameters in single precision lose below 1 % (measured on the digits).
Source: Micikevicius et al. (2018), "Mixed precision training", sections 3.1 and 3.2. False alarms: see docs/check.md.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look

_MOST_ZEROED, _MOST_LOST = 0.1, 0.5


def find(look: Look) -> Finding | None:
    """Finds gradients and steps that rounding takes away."""
    zeroed, lost = float(np.median(look.zeroed)), float(np.median(look.lost))
    if np.isnan(zeroed):
        sentence = "the loss or its gradient overflows in half precision, and is finite in single precision"
    elif zeroed > _MOST_ZEROED:
        sentence = f"half precision makes the gradient of {100 * zeroed:.2g} % of the weights exactly 0"
    elif lost > _MOST_LOST:
        sentence = f"the first step is rounded away in {100 * lost:.2g} % of the parameters in half precision"
    else:
        return None
    advice = "keep parameters in single precision, and compute in bfloat16 or single precision (--precision=float32)"
    return Finding("low_precision", "sign", sentence, advice, causes.PRECISION)
