"""Fractions of runs."""

import heapq
import math
from collections.abc import Sequence

import numpy as np

from engine.statistics.results import Estimate, check_confidence

_METHODS = ("clopper_pearson", "wilson")
_ROUNDING = 1e-12


def proportion(successes: int, trials: int, method: str = "clopper_pearson", confidence: float = 0.95) -> Estimate:
    """Estimates a binomial fraction.

    Args:
        successes: in `[0, trials]`.
        trials: at least 1.
        method: `clopper_pearson` never covers less than `confidence`; `wilson` is shorter, and
            covers `confidence` on average.

    Raises:
        ValueError: a count is out of range, or the method is unknown.

    Source: Clopper and Pearson (1934), Biometrika 26; Wilson (1927), JASA 22.
    """
    if method not in _METHODS:
        raise ValueError(f"unknown method {method!r}: expected one of {', '.join(_METHODS)}")
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    z = check_confidence(confidence)
    limits = _clopper_pearson if method == "clopper_pearson" else _wilson
    return limits(int(successes), int(trials), z)


def _clopper_pearson(successes: int, trials: int, z: float) -> Estimate:
    """Takes quantiles of Beta laws, which solve that the count is as far out as half of the level."""
    from scipy.special import betaincinv, ndtr

    tail, failures = float(ndtr(-z)), trials - successes
    lower = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    upper = 1.0 - float(betaincinv(failures, successes + 1, tail)) if failures else 1.0
    return Estimate(successes / trials, lower, upper)


def _wilson(successes: int, trials: int, z: float) -> Estimate:
    """Solves for the p at which the score `(p̂ − p)/√(p(1 − p)/n)` is ±z."""
    value, weight = successes / trials, z**2 / trials
    centre = value + weight / 2
    spread = math.sqrt(weight * (value * (1.0 - value) + weight / 4))
    lower = (centre - spread) / (1.0 + weight) if successes else 0.0
    upper = (centre + spread) / (1.0 + weight) if successes < trials else 1.0
    return Estimate(value, lower, upper)


def none_seen(trials: np.ndarray | int, confidence: float = 0.95) -> np.ndarray:
    """Returns Clopper and Pearson's upper limit for 0 of n, `1 − ((1 − confidence)/2)^(1/n)`.

    Args:
        trials: n, any shape; without any the limit is 1.
    """
    trials = np.asarray(trials, dtype=np.float64)
    share = np.divide(1.0, trials, out=np.full(trials.shape, np.inf), where=trials > 0)
    return -np.expm1(np.log((1.0 - confidence) / 2.0) * share)


def paired_share_difference(only_own: float, only_other: float, num_pairs: int, confidence: float = 0.95) -> Estimate:
    """Estimates how much more often the event happens in one run of a pair than in the other.

    Only pairs that disagree count: the difference is that of the shares π₁₀ of pairs with the event
    in the first run alone and π₀₁ in the second alone. Its upper limit is the upper limit of π₁₀
    less the lower limit of π₀₁, both Clopper and Pearson's with half of the error that one side may
    have; and so below. By Bonferroni's inequality it is exact: it errs on either side with at most
    `(1 − confidence)/2`, whatever the shares are, and less where few pairs disagree. Where pairs
    have shares of their own, as in several arms, it bounds the difference of their means: tails of
    a sum of unlike trials lie within those of the binomial of the same mean (Hoeffding 1956).

    R, for 5 and 2 of 40 at 90 %: `qbeta(.975, 6, 35) - qbeta(.025, 2, 39)` is 0.2619193, and
    `qbeta(.025, 5, 36) - qbeta(.975, 3, 38)` is -0.1273372.

    Args:
        only_own, only_other: pairs that have the event in the first run alone, and in the second.
            They need not be whole, for planning.
        num_pairs: all pairs, also those that agree.

    Raises:
        ValueError: a count is out of range.
    """
    from scipy.special import betaincinv

    check_confidence(confidence)
    if num_pairs < 1 or min(only_own, only_other) < 0 or only_own + only_other > num_pairs:
        raise ValueError(
            f"expected counts that add up to at most num_pairs, got {only_own} and {only_other} of {num_pairs}"
        )
    tail = (1.0 - confidence) / 4.0

    def limits(count: float) -> tuple[float, float]:
        rest = num_pairs - count
        lower = float(betaincinv(count, rest + 1, tail)) if count else 0.0
        return lower, 1.0 - float(betaincinv(rest, count + 1, tail)) if rest else 1.0

    (own_lower, own_upper), (other_lower, other_upper) = limits(only_own), limits(only_other)
    value = (only_own - only_other) / num_pairs
    return Estimate(value, own_lower - other_upper, own_upper - other_lower)


def most_unseen(num_drawn: Sequence[int], num_all: Sequence[int], confidence: float = 0.95) -> int:
    """Bounds how many of a finite number of runs differ from the others, when no drawn one does.

    From stratum h `num_drawn[h]` of `num_all[h]` runs were drawn without replacement. With D_h
    unlike ones among them none is drawn with the probability `Π C(N_h − D_h, n_h)/C(N_h, n_h)`. The
    limit is the largest total of the D_h for which some division among the strata makes it
    at least `1 − confidence`. Every factor is log-concave in D_h, so that division is found by
    adding one at a time where it costs least. With one stratum the law is the hypergeometric.

    R: `sum(phyper(0, 1:40, 48 - 1:40, 8) >= .05)` is 13, for 8 of 48.

    Args:
        num_drawn, num_all: by stratum.
        confidence: one-sided.

    Raises:
        ValueError: a count is out of range.
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
