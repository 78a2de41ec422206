"""How many seeds a question needs."""

from typing import NamedTuple

import numpy as np

from engine.statistics.results import LEVEL, check_confidence

_MOST_SEEDS = 1e7


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
