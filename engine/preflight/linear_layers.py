"""A network that is a linear model of its inputs.

Definition: the outputs are an affine function of the inputs: at every start f(a + b − c) and f(a) + f(b) − f(c) differ
by less than 1e-3 of what the outputs of a batch differ by, where rounding to single precision makes 1e-6 to 1e-5. It is
said of a network with two arrays of weights or more, which then tell no more than one does; and of one with a single
array where on held-out examples the nearest neighbours predict the targets and a linear model does not, each at a level
of 1 % (see `unrelated_labels`). Deep linear networks are studied on purpose, so this is a sign. Source: Goodfellow,
Bengio and Courville (2016), "Deep Learning", section 6.1. False alarms: inputs so small beside the biases that no unit
bends within the batch.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look
from .unrelated_labels import LEVEL, read_targets

_MOST = 1e-3


def find(look: Look) -> Finding | None:
    """Finds a network that can only add up its inputs."""
    if not look.weights or not look.has_numbers or not np.all(look.bent < _MOST):
        return None
    if len(look.weights) > 1:
        sentence = (
            f"the outputs are a linear function of the inputs, although there are {len(look.weights)} arrays of weights"
        )
        advice = "put a non-linearity between the layers"
    else:
        readings = read_targets(look)
        if readings is None or readings.linear < LEVEL or readings.neighbours >= LEVEL:
            return None
        sentence = (
            "the outputs are a linear function of the inputs, and no linear model predicts the targets of held-out "
            "examples, which their nearest neighbours do"
        )
        advice = "put a hidden layer with a non-linearity before the outputs"
    return Finding("linear_layers", "sign", sentence, advice, causes.CAPACITY)
