"""Outputs that are already shares, while the loss takes a softmax itself.

Definition: with every start, He's and a much larger one included, no output is negative and those of an example add up
to 1 within 0.01. A softmax of shares has logits within [0, 1], so that the loss cannot fall below ln(1 + (C − 1)/e),
and its gradients are small. False alarms: none seen; logits do not add up to 1 by chance in every example.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look


def find(look: Look) -> Finding | None:
    """Finds a softmax, or something like it, at the end of a classifier."""
    if not look.has_logits or look.outputs.shape[-1] < 2:
        return None
    if not (_are_shares(look.outputs) and _are_shares(look.wide_outputs)):
        return None
    return Finding(
        "softmax_inside",
        "fault",
        "the outputs are shares that add up to 1, as after a softmax, and the loss takes a softmax itself",
        "return logits: leave out the softmax at the end of the network",
        causes.MISFIT,
    )


def _are_shares(outputs: np.ndarray) -> bool:
    """Tells whether no output is negative and every row `[…, num_outputs]` adds up to 1."""
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(axis=-1), 1, rtol=0, atol=1e-2))
