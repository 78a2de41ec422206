"""Features of very different sizes, or all far from 0 for their spread.

Definition: of the features that vary, the largest standard deviation is above 100 times their median; or the mean of
the features is, as a root mean square, above 10 times their spread. Both make the loss far more curved in one direction
than in others, and the steepest direction bounds the learning rate (LeCun et al. 1998, "Efficient BackProp", section
4.3). Pixels, counts and embeddings stay below: of the digits the ratios are 2 and 1. Nothing is said where the network
evens them out, so that neither holds in the arrays that its first weights are given, though it does in the batch; and
it is a sign where its own optimiser learns one batch all the same. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look
from .passes import Entering, measured

_MOST_RATIO, _MOST_OFFSET = 100.0, 10.0


def find(look: Look) -> Finding | None:
    """Finds features of mixed scales, and features with a large offset."""
    if not look.has_numbers:
        return None
    rows = look.training.rows
    deviations, means = rows.std(axis=0), rows.mean(axis=0)
    varying = deviations > 0
    if not varying.any():
        return None
    ratio = float(deviations.max() / np.median(deviations[varying]))
    offset = float(np.sqrt(np.mean(means[varying] ** 2) / np.mean(deviations[varying] ** 2)))
    if not _is_uneven(ratio, offset) or _is_evened_out(look):
        return None
    if ratio > _MOST_RATIO:
        sentence = f"one feature of the inputs varies {amount(ratio)} times as much as the median one"
    else:
        sentence = f"the inputs lie {amount(offset)} times as far from 0 as they differ from example to example"
    return Finding(
        "uneven_inputs",
        look.strength_if_harmful,
        sentence,
        "standardise each feature of the inputs (--scaling=standard)",
        causes.INPUTS,
    )


def _is_uneven(ratio: float, offset: float) -> bool:
    return ratio > _MOST_RATIO or offset > _MOST_OFFSET


def _is_evened_out(look: Look) -> bool:
    """Tells whether the batch is uneven, and what the first weights make of it is not."""
    batch = Entering(*map(float, measured(look.batch.inputs, look.batch.inputs)))
    is_even = look.entered and not any(_is_uneven(of.ratio, of.offset) for of in look.entered)
    return bool(is_even) and _is_uneven(batch.ratio, batch.offset)
