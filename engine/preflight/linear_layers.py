"""Layers without a non-linearity between them.

Definition: a network has two arrays of weights or more, and its outputs are an affine function of the inputs: at every
start f(a + b − c) differs from f(a) + f(b) − f(c) by less than 1e-3 of what the outputs of a batch differ by, where
rounding to single precision makes 1e-6 to 1e-5. It tells no more than one layer does. Deep linear networks are studied
on purpose, so this is a sign. Source: Goodfellow, Bengio and Courville (2016), "Deep Learning", section 6.1.
False alarms: inputs so small beside the biases that no unit bends within the batch.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look

_MOST = 1e-3


def find(look: Look) -> Finding | None:
    """Finds a network of several layers that is a linear model."""
    if len(look.weights) < 2 or not look.has_numbers or not np.all(look.bent < _MOST):
        return None
    return Finding(
        "linear_layers",
        "sign",
        f"the outputs are a linear function of the inputs, although there are {len(look.weights)} arrays of weights",
        "put a non-linearity between the layers",
        causes.CAPACITY,
    )
