"""Gradients below the ε of the optimiser.

Definition: the root mean square of the gradient, once it is clipped, is below ε in most arrays of weights, in the
median over starts, where the optimiser divides by its root mean square plus ε. Steps are then shorter than the learning
rate says, by the ratio of the two. Where that holds of the clipped gradient alone it is the clipping that does it.
Source: Kingma and Ba (2015), section 2.1. False alarms: none by definition.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_LEAST_SHARE = 0.5


def find(look: Look) -> Finding | None:
    """Finds gradients that are smaller than ε."""
    epsilon = look.arm.epsilon
    if not epsilon or not look.weights:
        return None
    unclipped = np.median(look.grads[:, look.weights], axis=0)
    sizes = np.median(look.grads[:, look.weights] * look.clipped[:, None], axis=0)
    is_below = sizes < epsilon
    if np.mean(is_below) < _LEAST_SHARE:
        return None
    if np.mean(unclipped < epsilon) < _LEAST_SHARE:
        return Finding(
            "below_epsilon",
            "sign",
            f"gradients cut to a norm of {look.arm.clip_norm:g} are below the optimiser's ε of {epsilon:g} in "
            f"{int(is_below.sum())} of {len(sizes)} arrays of weights (median {np.median(sizes):.1g})",
            "a larger --clip_norm, such as 1, or none",
            causes.ALTERED,
        )
    return Finding(
        "below_epsilon",
        "sign",
        f"the gradient is below the optimiser's ε of {epsilon:g} in {int(is_below.sum())} of {len(sizes)} arrays of "
        f"weights (median {np.median(sizes):.1g})",
        "a smaller ε (--epsilon=1e-12), or a larger start (--init=he)",
        causes.EPSILON,
    )
