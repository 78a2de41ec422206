"""A loss that is above chance level all along.

Definition: of five finite points or more, the lowest is more than 5 % above the chance loss.
Threshold: up to 5 % the detector counts a loss as at chance level. As the lowest point decides, noise hides the sign
rather than making it.
"""

import numpy as np

from ...outcomes import DetectorSettings
from .logged_run import LoggedRun

_FEWEST_POINTS = 5


def find(run: LoggedRun) -> str | None:
    """Says how low the loss gets."""
    is_finite = np.isfinite(run.curve.loss.values)
    steps, loss = run.curve.loss.steps[is_finite], run.curve.loss.values[is_finite]
    if len(loss) < _FEWEST_POINTS or loss.min() <= (1.0 + DetectorSettings().low) * run.chance_loss:
        return None
    lowest = int(np.argmin(loss))
    return (
        f"no loss is as low as what guessing costs, {run.guessing}: the lowest is {loss[lowest]:.4g}, at "
        f"{run.at(steps[lowest])}. A constant prediction would do better, unless the loss is a sum, holds a penalty or "
        "is in another unit, or guessing costs more here."
    )
