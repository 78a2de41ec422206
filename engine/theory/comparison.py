"""What a theory is given of the runs of an arm, and what it answers."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.arms.arm import Arm
from engine.statistics import Estimate


class MeasuredCurve(NamedTuple):
    """A metric of every run of an arm, on the steps that any of them was measured at.

    Attributes:
        steps: of training that lie behind each point, increasing, `[num_points]`.
        values: in double precision, `[num_runs, num_points]`; NaN where a run was not measured,
            because it had ended or was inspected at other steps.
    """

    steps: np.ndarray
    values: np.ndarray


class MeasuredGrid(NamedTuple):
    """What the runs of an arm's crossed grid left behind, of the starts that are complete.

    Attributes:
        curves: as of `Measured`, their rows those of the seeds below.
        init_seed, order: start and data order of each run, `[num_runs]`.
    """

    curves: Mapping[str, MeasuredCurve]
    init_seed: np.ndarray
    order: np.ndarray


class Measured(NamedTuple):
    """What the repetitions of an arm left behind; failed runs are not among them.

    Attributes:
        arm: resolved.
        root_seed: of the study.
        curves: by metric: of those that the theory uses, the ones that the runs have.
        init_seed, order_seed, noise_seed: each `[num_runs]`.
        status: shape `[num_runs]`.
        event: 0 censored, 1 the event, 2 diverged; shape `[num_runs]`.
        time: of the event, or of the end of the run where there is none, in steps, `[num_runs]`.
        horizon: steps.
        chance_loss: of the task.
        grid: the runs that share starts and data orders, or `None` where there are none.
    """

    arm: Arm
    root_seed: int
    curves: Mapping[str, MeasuredCurve]
    init_seed: np.ndarray
    order_seed: np.ndarray
    noise_seed: np.ndarray
    status: list[str]
    event: np.ndarray
    time: np.ndarray
    horizon: int
    chance_loss: float
    grid: MeasuredGrid | None = None

    @property
    def num_runs(self) -> int:
        """How many runs there are, at least one."""
        return len(self.init_seed)

    @property
    def loss(self) -> MeasuredCurve:
        """Loss on the fixed evaluation set, which every run has."""
        return self.curves["loss"]


class TheoryCurve(NamedTuple):
    """What a metric should be against the step, to be drawn over what was measured.

    Attributes:
        arm: name of the arm.
        words: what it is, for the legend.
        steps: shape `[num_points]`.
        values: in the metric's own unit, `[num_points]`, or a row for each of some runs,
            `[num_curves, num_points]`.
        source: where it comes from: formula, paper.
        metric: whose curves it is drawn over.
        is_log: whether the axis of values is logarithmic.
    """

    arm: str
    words: str
    steps: np.ndarray
    values: np.ndarray
    source: str
    metric: str = "loss"
    is_log: bool = False


class Check(NamedTuple):
    """One number of an arm, as it should be and as it is.

    Attributes:
        arm: name of the arm.
        quantity: what it is, in a few words.
        unit: of both numbers, or empty.
        theory: the known answer.
        measured: with its interval; both limits are the value where nothing was estimated.
        tolerance: largest deviation that is let pass, as a share of `scale`; or `None`: then the
            known answer has to lie inside the interval.
        source: of the known answer.
        scale: what a deviation is a share of, in the same unit; by default the known answer.
    """

    arm: str
    quantity: str
    unit: str
    theory: float
    measured: Estimate
    tolerance: float | None
    source: str
    scale: float | None = None

    @property
    def deviation(self) -> float | None:
        """Measured less known, as a share of the scale; `None` where that is zero."""
        scale = abs(self.theory) if self.scale is None else self.scale
        return (self.measured.value - self.theory) / scale if scale else None

    @property
    def is_met(self) -> bool:
        """Whether the deviation is within its bound. A number that does not exist is not."""
        if self.tolerance is None:
            return self.measured.lower <= self.theory <= self.measured.upper
        deviation = self.deviation
        return deviation is not None and abs(deviation) <= self.tolerance


class Prediction(NamedTuple):
    """What a theory says of the arms of a study.

    Attributes:
        curves: to be drawn over the measured ones.
        checks: numbers to be compared.
        notes: sentences: what it is silent about and why, and what else has to be known.
    """

    curves: list[TheoryCurve]
    checks: list[Check]
    notes: list[str]


def exactly(value: float) -> Estimate:
    """A number that was read off rather than estimated: its interval is itself."""
    return Estimate(value, value, value)
