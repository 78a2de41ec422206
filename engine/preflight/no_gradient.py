"""A loss whose gradient reaches no parameter.

Definition: the gradient is exactly 0 in every parameter, at all starts of the configuration and at He's with biases
that are not 0. An argmax, a rounding or a stopped gradient between parameters and outputs does that, and outputs that
do not come from the parameters. Outputs that are one number for all examples at all starts, as a softmax over one unit
is 1, are said to be that. False alarms: none, because nothing ever moves.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look


def find(look: Look) -> Finding | None:
    """Finds a network that cannot be trained at all."""
    if np.any(look.grads != 0) or np.any(look.he_grads != 0):
        return None
    outputs = np.concatenate([look.outputs, look.wide_outputs])
    if np.ptp(outputs) == 0:
        return Finding(
            "no_gradient",
            "fault",
            f"the outputs are {outputs.flat[0]:.3g} for all examples, whatever the parameters are: the gradient of the "
            f"loss reaches none of these",
            "look at the end of the network: a softmax over one unit is always 1",
            causes.UNREACHABLE,
        )
    return Finding(
        "no_gradient",
        "fault",
        "the gradient of the loss reaches none of its parameters",
        "look for an argmax, a rounding or a stopped gradient on the way to the outputs",
        causes.UNTRAINED,
    )
