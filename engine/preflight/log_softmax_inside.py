"""Outputs that are logarithms of shares already, while the loss takes a softmax itself.

Definition: with every start, He's and a much larger one included, the exponentials of an example's outputs add up to 1
within 0.001. A softmax of such outputs gives them back, so the loss and its gradient are those of the logits before:
worth knowing, and no fault, unlike shares themselves. False alarms: none seen; logits do not do so by chance.
"""

import numpy as np

from .findings import Finding
from .look import Look


def find(look: Look) -> Finding | None:
    """Finds a logarithm of a softmax at the end of a classifier."""
    if not look.has_logits or look.outputs.shape[-1] < 2:
        return None
    if not (_are_logarithms(look.outputs) and _are_logarithms(look.wide_outputs)):
        return None
    return Finding(
        "log_softmax_inside",
        "note",
        "the outputs are logarithms of shares, as after a log_softmax, and the loss takes a softmax itself, which "
        "changes nothing here",
        "return logits, if another loss is to be used one day: leave out the log_softmax at the end of the network",
    )


def _are_logarithms(outputs: np.ndarray) -> bool:
    """Tells whether the exponentials of every row `[…, num_outputs]` add up to 1."""
    return bool(np.all(outputs <= 0) and np.allclose(np.exp(outputs).sum(axis=-1), 1, rtol=0, atol=1e-3))
