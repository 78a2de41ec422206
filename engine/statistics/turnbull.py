"""Waiting times that are known only up to an interval, as on an evaluation grid."""

from typing import NamedTuple

import numpy as np

from .incidence import curve_limits
from .results import ProbabilityCurve, check_confidence

# The log-likelihood lies within this, per run, of its maximum: far below one run's influence.
_GAP = 1e-10
_MAX_ITERATIONS = 100_000
_SMALLEST_STEP = 2.0**-20


class IntervalEstimate(NamedTuple):
    """Where the probability lies, as far as the intervals tell.

    Attributes:
        lower, upper: the innermost intervals `(lower, upper]`, or points; `[num_intervals]`, increasing.
        mass: the probability of each, somewhere inside; the last `upper` is infinite for that of no event, now or ever.
        probability: that the event has happened by the finite ends of the innermost intervals.
        gap: bound of the shortfall of the log-likelihood per run from its maximum.
    """

    lower: np.ndarray
    upper: np.ndarray
    mass: np.ndarray
    probability: ProbabilityCurve
    gap: float


class _Cells(NamedTuple):
    """Innermost intervals `[num_cells]`, and the first and last that each run's interval holds."""

    lower: np.ndarray
    upper: np.ndarray
    first: np.ndarray
    last: np.ndarray


def turnbull(
    lower: np.ndarray, upper: np.ndarray, confidence: float = 0.95, num_resamples: int = 400, seed: int = 0
) -> IntervalEstimate:
    """Estimates the distribution of a waiting time that is known to lie in `(lower, upper]`, run by run, `[num_runs]`.

    The nonparametric maximum of `Π_i P(lower_i < T ≤ upper_i)`; `upper` is infinite for a right-censored run, and equal
    to `lower` for a time known exactly. Steps of self-consistency, which never lower the likelihood, alternate with
    steps of the convex minorant, which make it fast, until no innermost interval j has `(1/n)·Σ_{i ∋ j} 1/P_i > 1`.

    Limits are logit with the bootstrap's standard error; at 0 and 1 they are Clopper–Pearson's for the runs of which it
    is known. That suits intervals on a fixed grid, as evaluation steps are; with as many different intervals as runs
    the estimate converges too slowly for it.

    Source: Turnbull (1976), JRSS B 38; Wellner and Zhan (1997), JASA 92, for the alternation; Gentleman and Geyer
    (1994), Biometrika 81, for the gradient.
    """
    lower, upper = _check_intervals(lower, upper)
    check_confidence(confidence)
    if num_resamples < 2:
        raise ValueError(f"num_resamples must be at least 2, got {num_resamples!r}")
    intervals, counts = np.unique(np.stack([lower, upper]), axis=1, return_counts=True)
    cells, mass, gap = _fit(intervals, counts)
    time = cells.upper[np.isfinite(cells.upper)]
    value = np.minimum(np.cumsum(mass)[: len(time)], 1.0)

    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(lower), counts / counts.sum(), num_resamples)
    if np.array_equal(cells.first, cells.last):
        # Masses are frequencies, those of the resamples too.
        resamples = drawn @ (cells.upper[cells.first][:, None] <= time) / len(lower)
    else:
        resamples = np.stack([_resample(intervals, row, time) for row in drawn])
    curve = _curve(lower, upper, time, value, resamples.std(axis=0, ddof=1), confidence)
    return IntervalEstimate(cells.lower, cells.upper, mass, curve, gap)


def _resample(intervals: np.ndarray, counts: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Returns the probability by each time `[num_times]` where the intervals were seen `counts` times."""
    cells, mass, _ = _fit(intervals[:, counts > 0], counts[counts > 0])
    return np.append(0.0, np.cumsum(mass))[np.searchsorted(cells.upper, time, side="right")]


def _curve(
    lower: np.ndarray, upper: np.ndarray, time: np.ndarray, value: np.ndarray, error: np.ndarray, confidence: float
) -> ProbabilityCurve:
    # Runs that are known to have had the event by then, and runs that are known not to.
    num_over = np.searchsorted(np.sort(upper), time, side="right")
    after = np.where(lower < upper, lower, np.nextafter(lower, -np.inf))
    num_later = len(after) - np.searchsorted(np.sort(after), time)
    low, high = curve_limits(value, error, (num_later, num_over), confidence, "logit")
    at_risk = len(upper) - np.searchsorted(np.sort(upper), time)
    at_risk -= np.searchsorted(np.sort(lower[np.isinf(upper)]), time)
    return ProbabilityCurve(time, value, low, high, at_risk, error)


def _check_intervals(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    if lower.ndim != 1 or lower.shape != upper.shape:
        raise ValueError(f"lower and upper have shapes {lower.shape} and {upper.shape}: expected two equal [n]")
    if len(lower) == 0:
        raise ValueError("lower and upper are empty: expected at least one run")
    if not np.all(np.isfinite(lower)) or np.any(lower < 0) or np.any(np.isnan(upper)):
        raise ValueError("lower must be finite and not negative, and upper a number or infinite")
    if np.any(lower > upper):
        i = int(np.argmax(lower > upper))
        raise ValueError(f"run {i} has lower {lower[i]:g} above upper {upper[i]:g}")
    return lower, upper


def _innermost(lower: np.ndarray, upper: np.ndarray) -> _Cells:
    """Returns the intervals from a left end to a right end with no other end in between."""
    values, index = np.unique(np.stack([lower, upper]), return_inverse=True)
    # Even integers are values; odd ones lie just after a value, where an interval open on the left begins.
    left, right = 2 * index.reshape(2, -1)
    left = left + (lower < upper)
    starts, ends = np.unique(left), np.unique(right)
    nearest = starts[np.searchsorted(starts, ends, side="right") - 1]
    is_innermost = np.append(True, ends[:-1] < nearest[1:])
    starts, ends = nearest[is_innermost], ends[is_innermost]
    return _Cells(
        lower=values[starts // 2],
        upper=values[ends // 2],
        first=np.searchsorted(starts, left),
        last=np.searchsorted(ends, right, side="right") - 1,
    )


def _fit(intervals: np.ndarray, counts: np.ndarray) -> tuple[_Cells, np.ndarray, float]:
    """Returns `(cells, mass [num_cells], gap)` of intervals `[2, num]`, each seen `counts` times."""
    cells = _innermost(*intervals)
    num = len(cells.lower)
    if np.array_equal(cells.first, cells.last):
        # Each interval holds one cell, as on a grid without gaps: the masses are its frequencies.
        return cells, np.bincount(cells.first, counts, num) / counts.sum(), 0.0
    pairs, index = np.unique(cells.first * num + cells.last, return_inverse=True)
    likelihood = _Likelihood(pairs // num, pairs % num + 1, np.bincount(index, counts), num)
    mass = np.full(num, 1.0 / num)
    for _ in range(_MAX_ITERATIONS):
        gradient = likelihood.gradient(mass)
        gap = float(gradient.max() - 1.0)
        if gap <= _GAP:
            break
        mass = likelihood.minorant_step(mass * gradient)
    # Self-consistency alone takes forever to bring a mass to 0.
    mass = np.where(mass > _GAP, mass, 0.0)
    return cells, mass / mass.sum(), max(gap, 0.0)


class _Likelihood(NamedTuple):
    """The likelihood of masses, per run; interval i holds the cells from `first[i]` up to before `stop[i]`."""

    first: np.ndarray
    stop: np.ndarray
    counts: np.ndarray
    num_cells: int

    def probability(self, mass: np.ndarray) -> np.ndarray:
        cumulative = np.append(0.0, np.cumsum(mass))
        return cumulative[self.stop] - cumulative[self.first]

    def value(self, mass: np.ndarray) -> float:
        probability = self.probability(mass)
        if probability.min() <= 0:
            return -np.inf
        return float(self.counts @ np.log(probability) / self.counts.sum())

    def ends(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns sums over the intervals that begin and that stop at each cut, `[num_cells + 1]`."""
        share, size = self.counts * weight / self.counts.sum(), self.num_cells + 1
        return np.bincount(self.first, share, size), np.bincount(self.stop, share, size)

    def gradient(self, mass: np.ndarray) -> np.ndarray:
        """Returns the derivative by the mass of each cell; times the mass, the step of self-consistency."""
        begin, stop = self.ends(1.0 / self.probability(mass))
        return np.cumsum(begin - stop)[:-1]

    def minorant_step(self, mass: np.ndarray) -> np.ndarray:
        """Takes Newton's step of the cumulative masses with a diagonal Hessian, kept increasing.

        The step is halved until the likelihood does not fall. It can move mass to a cell that has none.
        """
        from scipy.optimize import isotonic_regression

        probability = self.probability(mass)
        begin, stop = self.ends(1.0 / probability)
        slope = (stop - begin)[1:-1]
        curvature = np.add(*self.ends(1.0 / probability**2))[1:-1]
        now = np.cumsum(mass)[:-1]
        target = isotonic_regression(now + slope / curvature, weights=curvature).x
        change = np.diff(np.clip(target, 0.0, 1.0), prepend=0.0, append=1.0) - mass
        reference, step = self.value(mass), 1.0
        while step > _SMALLEST_STEP:
            moved = np.maximum(mass + step * change, 0.0)
            if self.value(moved) >= reference:
                return moved / moved.sum()
            step /= 2
        return mass
