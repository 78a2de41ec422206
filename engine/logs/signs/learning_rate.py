"""A learning rate that is zero, still rises where the log ends, or has decayed long before.

Definitions: it is zero in all rows that hold one; or it never falls, and rises by more than 1 % in all and still over
the last tenth of its points; or for the last tenth of the log or longer it is at most a thousandth of its largest.
Thresholds: a thousandth of the rate moves parameters in a tenth of the log as far as the full rate in a ten-thousandth.
Linear and cosine schedules that end with the log are that low for a thousandth and a fiftieth of it.
"""

import numpy as np

from ...report.phrases import percent
from ..logged_curves import LoggedSeries
from .logged_run import LoggedRun

_FEWEST_POINTS = 5
_LAST = 0.1
_LEAST_RISE = 1.01
_LOW = 1e-3


def find(run: LoggedRun) -> str | None:
    """Says what the learning rate does."""
    rate = run.curve.others.get("learning_rate")
    if rate is None or len(rate.values) < 2:
        return None
    if rate.values.max() == 0:
        return (
            f"the learning rate is 0 in all {len(rate.values)} rows that hold one: nothing is updated with that. If "
            "the loss falls all the same, the log rounds the rate, or other parameters have another."
        )
    return _say_rising(run, rate) or _say_decayed(run, rate)


def _say_rising(run: LoggedRun, rate: LoggedSeries) -> str | None:
    steps, values = rate
    before = values[len(values) - 1 - max(1, int(_LAST * len(values)))]
    is_rising = np.all(np.diff(values) >= 0) and values[-1] > max(before, _LEAST_RISE * values[0])
    if len(values) < _FEWEST_POINTS or not is_rising:
        return None
    return (
        f"the learning rate only rises, from {values[0]:.3g} at {run.at(steps[0])} to {values[-1]:.3g} at "
        f"{run.at(steps[-1])}: if this is a warm-up, it is longer than the log."
    )


def _say_decayed(run: LoggedRun, rate: LoggedSeries) -> str | None:
    steps, values = rate
    first = int(np.flatnonzero(values > _LOW * values.max())[-1]) + 1
    length = float(run.curve.loss.steps[-1] - run.curve.loss.steps[0])
    if first == len(values) or steps[-1] - steps[first] < _LAST * length:
        return None
    left = values[first:].max()
    return (
        f"the learning rate is {f'at most {left:.3g}' if left else '0'} from {run.at(steps[first])} to "
        f"{run.at(steps[-1])}, {percent((steps[-1] - steps[first]) / length)} of the log; its largest was "
        f"{values.max():.3g}. A loss that is flat there need not be on a plateau."
    )
