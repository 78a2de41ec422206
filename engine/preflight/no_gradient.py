"""A loss whose gradient reaches no parameter.

Definition: the gradient is exactly 0 in every parameter, at all starts of the configuration and at He's with biases
that are not 0. An argmax, a rounding or a stopped gradient between parameters and outputs does that, and outputs that
do not come from the parameters. False alarms: none, because nothing ever moves.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look


def find(look: Look) -> Finding | None:
    """Finds a network that cannot be trained at all."""
    if np.any(look.grads != 0) or np.any(look.he_grads != 0):
        return None
    return Finding(
        "no_gradient",
        "fault",
        "the gradient of the loss reaches none of its parameters",
        "look for an argmax, a rounding or a stopped gradient on the way to the outputs",
        causes.UNTRAINED,
    )
