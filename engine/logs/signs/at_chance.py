"""A loss that is exactly at chance level and stays there.

Definition: the last five points or more, and at least half of all that are finite, are within 0.1 % of the chance loss,
or equal to it in two decimals, which is all that some logs have, and within 1 % of it.
Threshold: the chance loss of labels that are not quite equally frequent is as near to ln C. The mean loss of a
mini-batch scatters by more than that as soon as predictions differ between examples.
"""

import math

import numpy as np

from ...report.phrases import percent
from .logged_run import LoggedRun

_NEAR = 1e-3
_ROUNDING = 1e-6
_MOST_ROUNDED = 0.01
_FEWEST_POINTS = 5


def find(run: LoggedRun) -> str | None:
    """Says from where to where the loss is at chance level."""
    is_finite = np.isfinite(run.curve.loss.values)
    steps, loss = run.curve.loss.steps[is_finite], run.curve.loss.values[is_finite].astype(np.float64)
    distance = np.abs(loss / run.chance_loss - 1.0)
    is_rounded = (np.abs(loss - round(run.chance_loss, 2)) < _ROUNDING) & (distance < _MOST_ROUNDED)
    is_far = (distance > _NEAR) & ~is_rounded
    first = int(np.flatnonzero(is_far)[-1]) + 1 if is_far.any() else 0
    if len(loss) - first < max(_FEWEST_POINTS, len(loss) / 2):
        return None
    furthest = math.ceil(1000 * max(_NEAR, distance[first:].max())) / 1000
    return (
        f"the loss is at chance level, {run.guessing}, to within {percent(furthest)} from {run.at(steps[first])} to "
        f"{run.at(steps[-1])}. A network does that whose output is nearly the same for every input: look for a last "
        "layer or units that are dead, outputs that are tiny, and whether parameters are updated at all."
    )
