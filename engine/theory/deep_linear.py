"""Chains of weights that learn a line, compared with gradient flow and Adam's recursion.

Plain SGD at a small learning rate is gradient flow in the time steps × learning rate. Adam is compared with its own
recursion in double precision. The starts are drawn from the seeds by the initial scheme; from there on nothing of the
engine is used.

Source: Saxe, McClelland and Ganguli (2014), ICLR; Kingma and Ba (2015), ICLR.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..statistics import LEVEL, median_time
from . import chain
from .comparison import Check, Measured, Prediction, TheoryCurve, covered_arms, exactly, starts_of

USES = ("loss",)

_TOLERANCE = 0.005
_SLOPE_TOLERANCE = 0.05
# Levels of u/s between which the slope of the escape is read: above the rounding of the loss near chance, and so low
# that s − u is still s to 1.3 % in the mean.
_ESCAPE = (0.005, 0.02)
# ε alone holds a balanced start below this share of ε^{1/(D−1)}, to a few per cent.
_FAR_BELOW = 0.4
_SEEN = 0.98  # half times later than this share of the horizon may not be seen
_MOST_STEPS = 2_000_000  # for as many, Adam's recursion takes half a minute
_FLOW = "Gradient flow with its conserved quantities, by quadrature"
_RECURSION = "Adam’s recursion in double precision"
_COVERED = {
    "dataset": ("line",),
    "model": ("chain",),
    "optimizer": ("sgd", "adam"),
    "momentum": (0.0, None),
    "schedule": ("constant",),
    "precision": ("float32",),
    "init": ("constant", "normal"),
}


class _Case(NamedTuple):
    """An arm that the theory covers.

    Attributes:
        weights: at the start, one row per run, or a single one where all are alike.
        clock, unit: duration of a step in the time unit of the theory, and that unit.
        theory: predicted product u at the measured steps, rows as in `weights`.
        measured: the measured product, `[num_runs, num_points]`.
    """

    name: str
    arm: Arm
    runs: Measured
    weights: np.ndarray
    clock: float
    unit: str
    theory: np.ndarray
    measured: np.ndarray
    source: str

    @property
    def is_flow(self) -> bool:
        return self.arm.optimizer == "sgd"

    @property
    def is_balanced(self) -> bool:
        return self.arm.init == "constant"

    @property
    def has_law(self) -> bool:
        return self.is_flow and not self.is_balanced

    @property
    def loss(self) -> np.ndarray:
        return np.asarray(0.5 * (self.arm.slope - self.theory) ** 2)

    def first_times(self, products: np.ndarray, share: float = 0.5) -> np.ndarray:
        """Returns when u/s first reaches a share, interpolated between evaluations, `[num_rows]`; else infinity."""
        times, level = self.runs.loss.steps * self.clock, share * self.arm.slope
        with np.errstate(invalid="ignore"):
            is_reached = products >= level
        after = is_reached.argmax(axis=1)
        before = np.maximum(after - 1, 0)
        low, high = (np.take_along_axis(products, at[:, None], axis=1)[:, 0] for at in (before, after))
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(after > before, (level - low) / (high - low), 1.0)
        crossing = times[before] + weight * (times[after] - times[before])
        return np.where(is_reached.any(axis=1), crossing, np.inf)


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Predicts the loss of every run and its half time, the escape, and the median half time over starts."""
    covered, prediction = covered_arms(measured, _COVERED, _find_reason)
    cases = [_make_case(name, runs) for name, runs in covered.items()]
    num_laws = sum(case.has_law for case in cases)
    for case in cases:
        words = "gradient flow" if case.is_flow else "Adam’s recursion"
        prediction.curves.append(TheoryCurve(case.name, words, case.runs.loss.steps, case.loss, case.source))
        prediction.checks.extend(
            [*_half_times(case, prediction.notes), _distance(case), *_escape(case), *_epsilon_law(case)]
        )
        if case.has_law:
            prediction.checks.extend(_median_law(case, num_laws, prediction.notes))
    if num_laws:
        prediction.notes.append("The intervals of medians hold at 95 % for all arms together.")
    return prediction


def _find_reason(runs: Measured) -> str | None:
    is_too_long = runs.arm.optimizer == "adam" and runs.horizon > _MOST_STEPS
    return f"{runs.horizon} steps of Adam’s recursion take too long" if is_too_long else None


def _make_case(name: str, runs: Measured) -> _Case:
    arm, steps = runs.arm, runs.loss.steps
    if arm.init == "constant":
        weights = np.full((1, arm.depth), np.float32(arm.init_scale), np.float64)
    else:
        weights = np.stack([leaf.reshape(-1) for leaf in starts_of(runs, num_inputs=1)], axis=1)
    if arm.optimizer == "sgd":
        clock, unit, source = arm.learning_rate, "steps × learning rate", _FLOW
        theory = chain.product_at(chain.gradient_flow(weights, arm.slope), steps * clock)
    else:
        clock, unit, source = 1.0, "steps", _RECURSION
        theory = chain.adam(weights, arm, int(steps[-1]))[:, steps]
    products = arm.slope - np.sqrt(2.0 * runs.loss.values)
    return _Case(name, arm, runs, weights, clock, unit, theory, products, source)


def _half_times(case: _Case, notes: list[str]) -> list[Check]:
    """Checks the half time of the run that is furthest from its own."""
    known = np.broadcast_to(case.first_times(case.theory), case.runs.num_runs)
    is_compared = (known > 0) & (known < _SEEN * case.runs.horizon * case.clock)
    if not is_compared.any():
        notes.append(
            f"“{case.name}” has no half time to compare: in theory no run that starts below half passes it well before "
            f"the horizon."
        )
        return []
    known, found = known[is_compared], case.first_times(case.measured)[is_compared]
    worst = int(np.argmax(np.abs(found / known - 1.0)))
    quantity = "half time" if len(known) == 1 else f"half time, of {len(known)} runs the one furthest off"
    measured = exactly(float(found[worst]))
    return [Check(case.name, quantity, case.unit, float(known[worst]), measured, _TOLERANCE, case.source)]


def _distance(case: _Case) -> Check:
    """Checks the largest distance of a measured loss from its curve, as a share of chance."""
    gaps = np.abs(case.runs.loss.values - case.loss) / case.runs.chance_loss
    gap = exactly(float(np.nanmax(gaps)) if np.isfinite(gaps).any() else np.inf)
    words = "whole curve, largest distance"
    return Check(case.name, words, "of chance loss", 0.0, gap, _TOLERANCE, case.source, scale=1.0)


def _escape(case: _Case) -> list[Check]:
    """Checks the slope of the escape from a balanced start: of ln u, or of u^{−(D−2)/D}."""
    slope, depth = case.arm.slope, case.arm.depth
    low, high = (share * slope for share in _ESCAPE)
    # A start at the lower level itself, up to the rounding of the loss, will do.
    is_below = case.weights[0].prod() <= 1.001 * low
    is_linear = case.is_flow and case.is_balanced and depth >= 2 and is_below
    if not is_linear or not np.isfinite(case.first_times(case.theory, _ESCAPE[1])[0]):
        return []
    begin, end = (float(case.first_times(case.measured[:1], share)[0]) for share in _ESCAPE)
    if depth == 2:
        quantity, source = "slope of the escape, ln u", "Linear order at the saddle"
        rise, known = np.log(high / low), 2.0 * slope
    else:
        quantity, source = f"slope of the escape, u^(−{depth - 2}/{depth})", "Leading order at the saddle"
        power = (2.0 - depth) / depth
        rise, known = high**power - low**power, (2.0 - depth) * slope
    found = exactly(float(rise / (end - begin)) if begin < end < np.inf else np.nan)
    return [Check(case.name, quantity, f"per {case.unit}", known, found, _SLOPE_TOLERANCE, source)]


def _epsilon_law(case: _Case) -> list[Check]:
    """Checks how long ε holds a balanced start far below it."""
    arm, start = case.arm, float(case.weights[0, 0])
    if case.is_flow or not case.is_balanced or arm.depth < 3 or start <= 0:
        return []
    wait = chain.epsilon_wait(start, arm)
    if start >= _FAR_BELOW * arm.epsilon ** (1.0 / (arm.depth - 1)) or wait > _SEEN * case.runs.horizon:
        return []
    found = exactly(float(case.first_times(case.measured[:1])[0]))
    words, source = "half time, law of ε", "Adam as gradient flow at the rate lr/ε"
    return [Check(case.name, words, case.unit, wait, found, _SLOPE_TOLERANCE, source)]


def _median_law(case: _Case, num_laws: int, notes: list[str]) -> list[Check]:
    """Checks the median half time over normal starts; the intervals hold for all such arms together."""
    known = chain.median_half_time(case.arm.depth, case.arm.init_scale, case.arm.slope)
    times = case.first_times(case.measured)
    is_seen = np.isfinite(times)
    ends = np.where(is_seen, times, case.runs.horizon * case.clock)
    found = median_time(ends, is_seen.astype(int), confidence=1.0 - LEVEL / num_laws)
    if not np.isfinite(found.upper):
        notes.append(
            f"The median half time of “{case.name}” is not compared: its interval has no end, for want of runs or of "
            f"steps."
        )
        return []
    quantity, source = "median half time over starts", "Quadrature over normal starts"
    return [Check(case.name, quantity, case.unit, known, found, None, source)]
