"""A loss that is exactly at chance level and stays there.

Definition: the last five points or more, and at least half of all that are finite, are within 0.1 % of the chance loss.
Threshold: logs round to three or four decimals, and the chance loss of labels that are not quite equally frequent is as
near to ln C. The mean loss of a mini-batch scatters by more than that as soon as predictions differ between examples.
"""

import numpy as np

from engine.logs.signs.logged_run import LoggedRun

_NEAR = 1e-3
_FEWEST_POINTS = 5


def find(run: LoggedRun) -> str | None:
    """Says from where to where the loss is at chance level."""
    is_finite = np.isfinite(run.curve.loss.values)
    steps, loss = run.curve.loss.steps[is_finite], run.curve.loss.values[is_finite].astype(np.float64)
    is_far = np.abs(loss / run.chance_loss - 1.0) > _NEAR
    first = int(np.flatnonzero(is_far)[-1]) + 1 if is_far.any() else 0
    if len(loss) - first < max(_FEWEST_POINTS, len(loss) / 2):
        return None
    return (
        f"the loss is at chance level, {run.guessing}, to within 0.1 % from {run.at(steps[first])} to "
        f"{run.at(steps[-1])}. A network does that whose output is the same for every input: look for a last layer or "
        "units that are dead, and whether parameters are updated at all."
    )
