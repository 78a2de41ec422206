"""A weight decay that holds the weights below their start.

Definition: 1/λ is below the root mean square of most arrays of weights at the start. With a decay λ that is decoupled,
and updates that the optimiser keeps within the learning rate, no weight can stay above 1/λ. Source: Loshchilov and
Hutter (2019), "Decoupled weight decay regularization", who use up to 0.1. False alarms: see docs/check.md.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look


def find(look: Look) -> Finding | None:
    """Finds a decay that takes the weights away before they learn."""
    decay = look.arm.weight_decay
    if not decay or not look.weights:
        return None
    sizes = np.median(look.params[:, look.weights], axis=0)
    bound = 1 / decay
    if np.mean(bound < sizes) < 0.5:
        return None
    return Finding(
        "strong_decay",
        "fault",
        f"a weight decay of {decay:g} lets no weight stay above {bound:.2g}, and the weights start at "
        f"{np.median(sizes):.2g}",
        "lower the weight decay, to 0.1 or less, or take it out (--weight_decay=0)",
        causes.DECAY,
    )
