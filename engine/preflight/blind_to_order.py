"""A network that cannot see in which order the positions of an example come.

Definition: inputs are texts, `[num, positions]` whole numbers, or series, `[num, positions, features]`; shuffling the
positions, of all examples alike, moves the outputs by less than 1e-3 of what they differ by from example to example, at
every start; rounding of sums in another order makes 1e-6 to 1e-5. Attention without positions is like this, and so is
any mean over positions that are each looked at alone. Bags of words and sets are read so on purpose: this is a note.
Source: Vaswani et al. (2017), "Attention is all you need", section 3.5; Zaheer et al. (2017), "Deep sets".
False alarms: none that are known; see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST = 1e-3


def find(look: Look) -> Finding | None:
    """Finds outputs that no order of the positions changes."""
    if not np.all(look.reordered < _MOST):
        return None
    return Finding(
        "blind_to_order",
        "note",
        f"the outputs stay the same when the {look.batch.inputs.shape[1]:,} positions of every example are shuffled: "
        f"the network does not see their order",
        "if the order matters, give the network the positions: an encoding of them, a recurrent or a convolutional "
        "layer, or one dense layer over all of them",
        causes.CAPACITY,
    )
