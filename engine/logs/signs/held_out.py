"""A training loss that falls while the loss on held-out examples does not.

Definition: there are five points or more on held-out examples. From the first to the last fifth of these, the training
loss, as a running median at their steps, falls by a fifth or more, and the median on held-out examples by less than a
tenth of that. Both are compared over the same steps, as training may be far on at the first evaluation.
Thresholds: a training loss that hardly falls has nothing to carry over; where it carries over, the two fall alike.
"""

import numpy as np

from ...outcomes import DetectorSettings
from ...outcomes.smoothing import running_median
from .logged_run import LoggedRun

_FEWEST_POINTS = 5
_SHARE_OF_POINTS = 5
_LEAST_FALL = 0.2
_CARRIED_OVER = 0.1
_LARGEST = 1e38  # sums of a few of them are finite


def find(run: LoggedRun) -> str | None:
    """Says from where to where both losses go."""
    held_out = run.curve.others.get("held_out_loss")
    is_finite = np.isfinite(run.curve.loss.values)
    if held_out is None or len(held_out.steps) < _FEWEST_POINTS or not is_finite.any():
        return None
    steps, values = held_out.steps, np.clip(held_out.values, -_LARGEST, _LARGEST)
    training = running_median(run.curve.loss.values[is_finite].astype(np.float64), DetectorSettings().window)
    start, end = _ends(np.interp(steps, run.curve.loss.steps[is_finite], training))
    before, after = _ends(values)
    fall = start - end
    if start <= 0 or fall < _LEAST_FALL * start or before - after > _CARRIED_OVER * fall:
        return None
    lowest = int(np.argmin(values))
    cause = "held-out examples that are of another kind, prepared in another way or labelled otherwise"
    words = f": as with overfitting, or with {cause}."
    if before - values[lowest] > _CARRIED_OVER * fall:
        words = f"; its lowest was {values[lowest]:.3g}, at {run.at(steps[lowest])}: as with overfitting."
    return (
        f"from {run.at(steps[0])} to {run.at(steps[-1])} the training loss falls from {start:.3g} to {end:.3g}, while "
        f"the loss on held-out examples goes from {before:.3g} to {after:.3g}{words}"
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    number = len(values) // _SHARE_OF_POINTS
    return float(np.median(values[:number])), float(np.median(values[-number:]))
