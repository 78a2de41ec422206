"""Inputs that are the same for all examples.

Definition: no feature differs between two training examples by more than a millionth of its size, above rounding to
single precision. Source: a network whose inputs are all alike can only learn the frequencies of the targets.
False alarms: none, because it holds by arithmetic.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look

_ROUNDING = 1e-6


def find(look: Look) -> Finding | None:
    """Finds inputs without any difference."""
    rows = look.training.rows
    if not look.is_kept or np.any(np.ptp(rows, axis=0) > _ROUNDING * np.max(np.abs(rows), axis=0)):
        return None
    return Finding(
        "constant_inputs",
        "fault",
        "all inputs are the same, so no network can tell one example from another",
        "look at how the inputs are loaded and scaled: do they reach the network?",
        causes.CONSTANT,
    )
