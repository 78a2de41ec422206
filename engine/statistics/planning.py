"""How many seeds a question needs, and cautions where methods fall short of their level in simulation."""

import math
from typing import NamedTuple

import numpy as np

from .results import LEVEL, check_confidence

_MOST_SEEDS = 1e7
# From benchmarks/COVERAGE.md: worst coverage and size in per cent of all simulated laws, by runs in each arm.
_LEAST_COVERAGE: dict[str, dict[int, float]] = {
    "proportion": {10: 98.12, 30: 96.34, 100: 95.73},
    "proportion, wilson": {10: 94.37, 30: 94.35, 100: 95.95},
    "kaplan_meier": {10: 96.15, 30: 95.23, 100: 94.14},
    "aalen_johansen": {10: 97.23, 30: 95.41, 100: 94.18},
    "median_time": {10: 94.2, 30: 95.26, 100: 94.92},
    "restricted_mean": {10: 92.6, 30: 94.46, 100: 94.72},
    "restricted_mean_difference": {10: 95.75, 30: 95.27, 100: 94.79},
    "paired_difference": {10: 94.62, 30: 94.61, 100: 94.68},
    "turnbull": {10: 95.85, 30: 94.5, 100: 93.8},
    "weibull shape": {10: 92.2, 30: 94.0, 100: 93.95},
    "weibull scale": {10: 92.2, 30: 93.45, 100: 93.85},
    "crossed_components": {100: 93.9},
    "fork_prediction": {30: 93.7, 100: 93.95},
    "confidence_sequence": {10: 97.83, 30: 97.51, 100: 96.74, 1000: 96.18},
}
_LARGEST_SIZE: dict[str, dict[int, float]] = {
    "log_rank": {10: 7.28, 30: 5.94, 100: 5.76},
    "gray_test": {10: 7.48, 30: 5.99, 100: 6.31},
    "weibull, shape 1": {10: 5.45, 30: 5.04, 100: 5.12},
    "fork_prediction": {10: 4.81, 30: 5.0, 100: 4.77},
    "early_luck": {10: 3.29, 30: 2.71, 100: 3.93},
    "holm": {10: 6.19, 30: 4.96, 100: 4.9},
    "safe_log_rank": {10: 0.0, 30: 0.84, 100: 3.51},
}
LEAST_COVERAGE, LARGEST_SIZE = 93.5, 6.0


class SeedsNeeded(NamedTuple):
    """The number of seeds in each arm, and of breaks over all arms where the question is about their number."""

    seeds: int
    events: int | None = None


class FractionQuestion(NamedTuple):
    """What share of the runs breaks, to within `half_width` (Clopper and Pearson's) if it is near `fraction`?"""

    half_width: float
    fraction: float = 0.5
    confidence: float = 0.95

    def needed(self) -> SeedsNeeded:
        """Returns the least n from which on no interval at the counts next to `fraction` is wider.

        The width jumps with n, so the search goes beyond twice the normal approximation's n.
        """
        from scipy.special import betaincinv

        _check("half_width", self.half_width, 0, 0.5)
        z = check_confidence(self.confidence)
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"fraction must lie between 0 and 1, got {self.fraction!r}")
        tail = (1 - self.confidence) / 2
        normal = z**2 * self.fraction * (1 - self.fraction) / self.half_width**2
        if normal > _MOST_SEEDS or z**2 / self.half_width > _MOST_SEEDS:
            raise ValueError(f"half_width={self.half_width:g} needs more than {_MOST_SEEDS:g} seeds")
        trials = np.arange(1, int(2 * normal + 10 * z**2 / self.half_width) + 2)
        widest = np.zeros(len(trials))
        for successes in (np.floor(trials * self.fraction), np.ceil(trials * self.fraction)):
            failures = trials - successes
            lower = np.where(successes > 0, betaincinv(np.maximum(successes, 1), failures + 1, tail), 0.0)
            upper = np.where(failures > 0, betaincinv(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
            widest = np.maximum(widest, upper - lower)
        return SeedsNeeded(int(trials[widest > 2 * self.half_width].max(initial=0)) + 1)


class FailureQuestion(NamedTuple):
    """Is a failure rarer than `rate`, shown by not seeing one (one-sided)?"""

    rate: float
    confidence: float = 0.95

    def needed(self) -> SeedsNeeded:
        """Returns the least n with `(1 − rate)^n ≤ 1 − confidence`."""
        _check("rate", self.rate, 0, 1)
        check_confidence(self.confidence)
        exact = np.log1p(-self.confidence) / np.log1p(-self.rate)
        return SeedsNeeded(max(1, int(np.ceil(exact - 1e-9))))


class MedianQuestion(NamedTuple):
    """What is the median time, to within `relative_half_width` (half the interval over the median, below 1) of itself?

    The deviation is that of the natural logarithm of the times of the runs that break, 1.28 for a memoryless wait; the
    share is that of all runs that break if they get the time, above one half.
    """

    relative_half_width: float
    log_deviation: float
    event_share: float = 1.0
    confidence: float = 0.95

    def needed(self) -> SeedsNeeded:
        """Returns `n = (z·σ / (2·p·φ(x)·w))²`, large-sample theory for log-normal times uncensored before the median.

        The median is the quantile `x = Φ⁻¹(½/p)` of the share p that breaks, and w half the length of the interval of
        log time, `asinh(relative_half_width)`. The log-log interval of fewer than 50 runs is up to a tenth wider.

        Source: Brookmeyer and Crowley (1982), Biometrics 38.
        """
        from scipy.special import ndtri

        _check("relative_half_width", self.relative_half_width, 0, 1)
        _check("log_deviation", self.log_deviation, 0, np.inf)
        if not 0.5 < self.event_share <= 1:
            raise ValueError(f"event_share is {self.event_share!r}: the median is only reached above 0.5")
        z = check_confidence(self.confidence)
        x = float(ndtri(0.5 / self.event_share))
        density = self.event_share * np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
        half_width = np.arcsinh(self.relative_half_width)
        exact = (z * self.log_deviation / (2 * density * half_width)) ** 2
        # With fewer than six runs the interval has no lower limit.
        return SeedsNeeded(max(6, int(np.ceil(exact))))


class ComparisonQuestion(NamedTuple):
    """Do two equal arms, `event_share` of which break by the horizon, differ by the two-sided log-rank test?"""

    hazard_ratio: float
    event_share: float = 1.0
    power: float = 0.9
    level: float = LEVEL

    def needed(self) -> SeedsNeeded:
        """Returns events `4·(z_level + z_power)² / log(hazard_ratio)²`, then runs per arm.

        Source: Schoenfeld (1981), Biometrika 68.
        """
        from scipy.special import ndtri

        _check("hazard_ratio", self.hazard_ratio, 0, np.inf)
        if self.hazard_ratio == 1:
            raise ValueError("hazard_ratio is 1: no number of seeds shows that there is no difference")
        _check("level", self.level, 0, 1)
        _check("power", self.power, self.level, 1)
        if not 0 < self.event_share <= 1:
            raise ValueError(f"event_share must lie in (0, 1], got {self.event_share!r}")
        z = float(ndtri(1 - self.level / 2) + ndtri(self.power))
        events = int(np.ceil(4 * (z / np.log(self.hazard_ratio)) ** 2))
        return SeedsNeeded(int(np.ceil(events / (2 * self.event_share))), events)


Question = FractionQuestion | FailureQuestion | MedianQuestion | ComparisonQuestion


def seeds_needed(question: Question) -> SeedsNeeded:
    """Computes the number of seeds that answers a question."""
    if not isinstance(question, Question):
        raise TypeError(f"expected one of the questions of engine.statistics, got {question!r}")
    needed = question.needed()
    if needed.seeds > _MOST_SEEDS:
        raise ValueError(f"the question needs more than {_MOST_SEEDS:g} seeds")
    return needed


def _check(name: str, value: float, lower: float, upper: float) -> None:
    if not lower < value < upper:
        raise ValueError(f"{name} must lie between {lower:g} and {upper:g}, got {value!r}")


def caution(estimator: str, num_runs: int) -> str | None:
    """Returns a clause about a method of the tables above that falls short at this number of runs, else None.

    Short means that for the worst simulated law 95 % limits cover below 93.5 %, or a 5 % test rejects above 6 %. A
    number of runs, in the smallest arm, that was not simulated counts as the next smaller one, which is worse.
    """
    if num_runs < 1:
        raise ValueError(f"num_runs must be positive, got {num_runs}")
    known = [*(_LEAST_COVERAGE | _LARGEST_SIZE)]
    if estimator not in known:
        raise ValueError(f"unknown estimator {estimator!r}: expected one of {known}")
    found = []
    size, share = _nearest(_LEAST_COVERAGE, estimator, num_runs)
    if share < LEAST_COVERAGE:
        covered = math.floor(10 * share) / 10
        found.append(f"at n = {size} this interval covers down to {covered:g} % in simulation, instead of 95 %")
    size, share = _nearest(_LARGEST_SIZE, estimator, num_runs)
    if share > LARGEST_SIZE:
        found.append(
            f"at n = {size} in each arm this test rejects up to {math.ceil(10 * share) / 10:g} % of true hypotheses "
            f"in simulation, instead of 5 %"
        )
    return "; ".join(found) or None


def _nearest(table: dict[str, dict[int, float]], estimator: str, num_runs: int) -> tuple[int, float]:
    """Returns the simulated number of runs that counts and its share, NaN where there is none."""
    measured = table.get(estimator, {0: math.nan})
    size = max((n for n in measured if n <= num_runs), default=min(measured))
    return size, measured[size]
