"""Runs of a pool as a theory is given them."""

from typing import Any

import numpy as np

from engine.lanes.runs import FinishedRun
from engine.theory.comparison import Measured, MeasuredCurve


def measured(runs: list[FinishedRun], chance_loss: float, **changes: Any) -> Measured:
    """What runs of one arm left behind, all of one length."""
    first = runs[0].run
    values = np.stack([run.curves["loss"] for run in runs]).astype(np.float64)
    found = Measured(
        arm=first.arm,
        root_seed=0,
        curves={"loss": MeasuredCurve(runs[0].steps, values)},
        init_seed=np.array([run.run.init_seed for run in runs]),
        order_seed=np.array([run.run.order_seed for run in runs]),
        noise_seed=np.array([run.run.noise_seed for run in runs]),
        status=["broke"] * len(runs),
        event=np.ones(len(runs), int),
        time=np.full(len(runs), float(first.horizon)),
        horizon=first.horizon,
        chance_loss=chance_loss,
    )
    return found._replace(**changes)
