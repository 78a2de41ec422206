"""Inputs that are the same for all examples.

Definition: no feature differs between two training examples by more than a millionth of its size, above rounding to
single precision. Or, of texts: every example is one token again and again, the same in all, but for another one that
fills it up at its beginning or its end; then only the lengths of examples differ. Source: a network whose inputs are
all alike can only learn the frequencies of the targets; a vocabulary that knows no word makes such texts.
False alarms: none of the first, which holds by arithmetic; texts of which only the length is meant.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_ROUNDING = 1e-6
# Dimensions of texts; and the different tokens of texts of one word.
_TEXT, _TOKEN_AND_FILLER = 2, 2


def find(look: Look) -> Finding | None:
    """Finds inputs without any difference."""
    rows = look.training.rows
    if look.is_kept and _are_of_one_token(look.training.inputs):
        return Finding(
            "constant_inputs",
            "fault",
            "all texts are one token again and again, the same in all examples: only their lengths differ",
            "look at how words become numbers: does the vocabulary know them?",
            causes.CONSTANT,
        )
    if not look.is_kept or np.any(np.ptp(rows, axis=0) > _ROUNDING * np.max(np.abs(rows), axis=0)):
        return None
    return Finding(
        "constant_inputs",
        "fault",
        "all inputs are the same, so no network can tell one example from another",
        "look at how the inputs are loaded and scaled: do they reach the network?",
        causes.CONSTANT,
    )


def _are_of_one_token(inputs: np.ndarray) -> bool:
    """Whether examples `[num, positions]` are one token and, at one end, one that fills them up."""
    if not np.issubdtype(inputs.dtype, np.integer) or inputs.ndim != _TEXT:
        return False
    tokens = np.unique(inputs)
    if len(tokens) != _TOKEN_AND_FILLER:
        return False
    num_changes = np.diff(inputs == tokens[0], axis=1).sum(axis=1)
    # All that change begin with the same of the two.
    return bool(np.all(num_changes <= 1) and len(np.unique(inputs[num_changes == 1, 0])) <= 1)
