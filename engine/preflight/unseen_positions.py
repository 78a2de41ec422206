"""Positions of texts and series on which the outputs do not depend.

Definition: at least a quarter of the positions that are tried (at most 64, evenly spread) change no output. In series a
number that is none takes the place of each, and spreads to all outputs that depend on it, however little. In texts the
token of another example does; since a signal may fade from position to position there, all others must move the outputs
by at least a thousandth of what the strongest does. Convolutions that do not reach so far are like this, attention that
only looks back and is read at its first position, and a wrong index. What lies there may not matter: this is a note.
Source: Luo et al. (2016), "Understanding the effective receptive field". False alarms: none that are known.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_FEWEST, _ABRUPT = 0.25, 1e-3


def find(look: Look) -> Finding | None:
    """Finds positions that the network does not see."""
    told = look.seen[~np.isnan(look.seen)]
    seen = told[told > 0]
    share = 1 - len(seen) / max(1, len(told))
    # Where no position is seen the inputs do not arrive at all, which others say.
    if not len(seen) or share < _FEWEST or seen.min() < _ABRUPT * seen.max():
        return None
    unseen = np.flatnonzero(look.seen == 0)
    where = "the first" if unseen.max() < len(unseen) else "the last" if unseen.min() >= len(seen) else "some"
    return Finding(
        "unseen_positions",
        "note",
        f"the outputs do not depend on {100 * share:.0f} % of the positions of an example ({where} of them)",
        "look how far back the network sees: wider or more layers, dilation, attention without a mask, or another "
        "position from which the answer is read",
        causes.CONSTANT,
    )
