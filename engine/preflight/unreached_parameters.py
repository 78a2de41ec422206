"""Parameters that the gradient of the loss does not reach.

Definition: the gradient of a leaf is exactly 0 at every start. Such parameters stay where they are: they are not used,
or what they do is cut off from the loss. What is before an array of zeros is reached one step later, so where an array
of weights starts at 0, only leaves count that 100 steps or more on one batch leave as they are (see `one_batch`); then
it is the start that holds them, all factors of a product being 0. So it is where the gradient reaches all of them from
He's start, as it does where sigmoids are flat. Layers may be frozen on purpose, so that only a start at 0 is a fault.
False alarms: frozen layers, and dead rectifiers in very narrow ones.
"""

import numpy as np

from ..errors import some_of
from . import causes
from .findings import Finding
from .look import Look

_MOST_NAMED = 4


def find(look: Look) -> Finding | None:
    """Finds parameters without a gradient."""
    is_unreached = np.all(look.grads == 0, axis=0)
    zeros = [i for i in look.weights if np.all(look.params[:, i] == 0)]
    if zeros:
        is_unreached &= False if look.learned is None else look.learned.unmoved
    if not is_unreached.any():
        return None
    names = [look.leaf_names[i] for i in np.flatnonzero(is_unreached)]
    if any(is_unreached[i] for i in zeros):
        return Finding(
            "unreached_parameters",
            "fault",
            f"no gradient ever reaches {some_of(names, _MOST_NAMED)}: arrays of weights start at 0, one behind the "
            "other",
            "another start: weights that differ from each other and from 0 (--init=he)",
            causes.SCALE,
        )
    if np.all(look.he_grads[is_unreached] > 0):
        return Finding(
            "unreached_parameters",
            "sign",
            f"the gradient of the loss is exactly 0 in {some_of(names, _MOST_NAMED)} at every start of yours, and not "
            f"at He's",
            "another start (--init=he)",
            causes.SCALE,
        )
    return Finding(
        "unreached_parameters",
        "sign",
        f"the gradient of the loss is exactly 0 in {some_of(names, _MOST_NAMED)}, at every start that was tried",
        "look for parameters that are not used, stopped gradients, and layers that are dead, unless they are frozen on "
        "purpose",
        causes.UNTRAINED,
    )
