"""Shares of runs."""

import heapq
import math
from collections.abc import Sequence

import numpy as np

from .results import Estimate, check_confidence, check_counts

_ROUNDING = 1e-12


def proportion(successes: int, trials: int, method: str = "clopper_pearson", confidence: float = 0.95) -> Estimate:
    """Estimates a binomial fraction.

    Method `clopper_pearson` never covers less than `confidence`; `wilson` is shorter, and covers it on average.

    Source: Clopper and Pearson (1934), Biometrika 26; Wilson (1927), JASA 22.
    """
    if method not in _METHODS:
        raise ValueError(f"unknown method {method!r}: expected one of {', '.join(_METHODS)}")
    check_counts(successes, trials)
    return _METHODS[method](int(successes), int(trials), check_confidence(confidence))


def _clopper_pearson(successes: int, trials: int, z: float) -> Estimate:
    from scipy.special import ndtr

    return Estimate(successes / trials, *_exact_limits(successes, trials, float(ndtr(-z))))


def _exact_limits(successes: float, trials: int, tail: float) -> tuple[float, float]:
    """Returns Clopper and Pearson's limits, each with the error probability `tail`."""
    from scipy.special import betaincinv

    failures = trials - successes
    lower = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    return lower, 1.0 - float(betaincinv(failures, successes + 1, tail)) if failures else 1.0


def _wilson(successes: int, trials: int, z: float) -> Estimate:
    """Solves for the p at which the score `(p̂ − p)/√(p(1 − p)/n)` is ±z."""
    value, weight = successes / trials, z**2 / trials
    centre = value + weight / 2
    spread = math.sqrt(weight * (value * (1.0 - value) + weight / 4))
    lower = (centre - spread) / (1.0 + weight) if successes else 0.0
    upper = (centre + spread) / (1.0 + weight) if successes < trials else 1.0
    return Estimate(value, lower, upper)


_METHODS = {"clopper_pearson": _clopper_pearson, "wilson": _wilson}


def none_seen(trials: np.ndarray | int, confidence: float = 0.95) -> np.ndarray:
    """Returns Clopper and Pearson's upper limit for 0 of n trials, `1 − ((1 − confidence)/2)^(1/n)`; 1 for n = 0."""
    trials = np.asarray(trials, dtype=np.float64)
    share = np.divide(1.0, trials, out=np.full(trials.shape, np.inf), where=trials > 0)
    return -np.expm1(np.log((1.0 - confidence) / 2.0) * share)


def paired_share_difference(only_own: float, only_other: float, num_pairs: int, confidence: float = 0.95) -> Estimate:
    """Estimates how much more often the event happens in one run of a pair than in the other.

    The difference π₁₀ − π₀₁ of the shares of pairs with the event in the first run alone and in the second alone; the
    counts may be fractional for planning. The upper limit is that of π₁₀ less the lower one of π₀₁, both Clopper and
    Pearson's with half of one side's error, so by Bonferroni's inequality either side errs with at most half of what
    confidence leaves. Where shares vary between pairs, that holds for the difference of their means (Hoeffding 1956).
    """
    check_confidence(confidence)
    if num_pairs < 1 or min(only_own, only_other) < 0 or only_own + only_other > num_pairs:
        raise ValueError(
            f"expected counts that add up to at most num_pairs, got {only_own} and {only_other} of {num_pairs}"
        )
    own, other = (_exact_limits(count, num_pairs, (1.0 - confidence) / 4.0) for count in (only_own, only_other))
    return Estimate((only_own - only_other) / num_pairs, own[0] - other[1], own[1] - other[0])


def most_unseen(num_drawn: Sequence[int], num_all: Sequence[int], confidence: float = 0.95) -> int:
    """Bounds how many of a finite number of runs differ from the others, when no drawn one does.

    From stratum h, `num_drawn[h]` of `num_all[h]` runs are drawn without replacement. With D_h unlike ones among them,
    none is drawn with probability `Π C(N_h − D_h, n_h)/C(N_h, n_h)`. The limit, with one-sided confidence, is the
    largest total of the D_h for which some division among the strata makes it at least `1 − confidence`. Every factor
    is log-concave in D_h, so adding one at a time where it costs least finds that division.
    """
    if len(num_drawn) != len(num_all) or any(not 0 <= n <= N for n, N in zip(num_drawn, num_all, strict=True)):
        raise ValueError(f"expected 0 <= drawn <= all, got {num_drawn} of {num_all}")
    check_confidence(confidence)
    least, log_probability, unseen = math.log1p(-confidence), 0.0, 0

    def cost(left: int, drawn: int) -> tuple[float, int, int]:
        return -math.log1p(-drawn / left), left, drawn

    waiting = [cost(N, n) for n, N in zip(num_drawn, num_all, strict=True) if n < N]
    heapq.heapify(waiting)
    while waiting and log_probability - waiting[0][0] >= least - _ROUNDING:
        taken, left, drawn = heapq.heappop(waiting)
        log_probability, unseen = log_probability - taken, unseen + 1
        if drawn < left - 1:
            heapq.heappush(waiting, cost(left - 1, drawn))
    return unseen
