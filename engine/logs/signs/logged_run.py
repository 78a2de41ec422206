"""The run that a sign is looked for in."""

import math
from typing import NamedTuple

from ...report.phrases import moment
from ..logged_curves import LoggedCurve

_EXACT = 1e-9


class LoggedRun(NamedTuple):
    """One run as it was logged, its chance loss, and how many steps an epoch has, if that is known."""

    curve: LoggedCurve
    chance_loss: float
    steps_per_epoch: int | None

    def at(self, step: float) -> str:
        """Writes `step 20`, or `epoch 1.5` where epochs are known."""
        return moment(step / (self.steps_per_epoch or 1), "epochs" if self.steps_per_epoch else "steps")

    @property
    def guessing(self) -> str:
        """Writes what guessing costs: `2.303 (ln 10)`."""
        classes = round(math.exp(min(self.chance_loss, math.log(1e9))))
        is_log = classes > 1 and abs(math.log(classes) - self.chance_loss) < _EXACT
        return f"{self.chance_loss:.4g}" + (f" (ln {classes})" if is_log else "")
