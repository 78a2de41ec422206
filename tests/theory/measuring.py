"""Runs as a theory is given them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arms.arm import Arm
from engine.lanes.runs import FinishedRun
from engine.studies.shipped import EXPERIMENTS
from engine.studies.study import resolve_arm
from engine.theory.comparison import Measured, MeasuredCurve

STUDIES = {name: study for name in EXPERIMENTS if (study := EXPERIMENTS.load(name).study()).theory is not None}


def planted(arm: Arm, curves: Mapping[str, MeasuredCurve], chance_loss: float, **changes: Any) -> Measured:
    """Returns runs of one arm with the given curves."""
    first = next(iter(curves.values()))
    num_runs = len(first.values)
    whole = Measured(
        arm=resolve_arm(arm),
        root_seed=0,
        curves=curves,
        init_seed=np.arange(num_runs),
        status=["broke"] * num_runs,
        horizon=int(first.steps[-1]),
        chance_loss=chance_loss,
    )
    return whole._replace(**changes)


def measured(runs: list[FinishedRun], chance_loss: float) -> Measured:
    """Returns what trained runs of one arm, all of one length, left behind."""
    first = runs[0].run
    values = np.stack([run.curves["loss"] for run in runs]).astype(np.float64)
    seeds = np.array([run.run.init_seed for run in runs])
    curves = {"loss": MeasuredCurve(runs[0].steps, values)}
    return planted(first.arm, curves, chance_loss, init_seed=seeds, horizon=first.horizon)
