"""Outputs of an example that depend on the others in its batch.

Definition: in an evaluation the outputs of the first half of a batch change by more than 1e-3 of their spread when the
other half is left out, in a network without batch statistics. A softmax or a mean over the wrong axis does that.
Changes below 1e-5 of the size of the outputs are left to rounding. False alarms: networks that normalise over the batch
without keeping statistics.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST, _ROUNDING = 1e-3, 1e-5


def find(look: Look) -> Finding | None:
    """Finds a network that mixes the examples of a batch."""
    if look.has_state or not look.alone.size:
        return None
    half = look.outputs[:, -look.alone.shape[1] :]
    spread = np.sqrt(np.mean(look.outputs.var(axis=1)))
    change = np.sqrt(np.mean((half - look.alone) ** 2))
    least = max(_MOST * spread, _ROUNDING * np.sqrt(np.mean(look.outputs**2)))
    if not np.isfinite(change) or change <= least or spread == 0:
        return None
    return Finding(
        "mixed_examples",
        "fault",
        f"the outputs of an example change by {100 * change / spread:.2g} % of their spread when other examples leave "
        f"the batch",
        "look for a softmax, a mean, a reshape or a norm over the axis of the batch",
        causes.MIXED,
    )
