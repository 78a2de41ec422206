"""How often: fractions of runs."""

import math

import numpy as np

from engine.statistics.results import Estimate, check_confidence

_METHODS = ("clopper_pearson", "wilson")


def proportion(
    successes: int, trials: int, method: str = "clopper_pearson", confidence: float = 0.95
) -> Estimate:
    """A binomial fraction.

    Args:
        successes: in `[0, trials]`.
        trials: at least 1.
        method: `clopper_pearson` never covers less than `confidence`; `wilson` is shorter, and
            covers `confidence` on average.
        confidence: two-sided.

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
    """Quantiles of Beta laws, which solve that the count is as far out as half of the level."""
    from scipy.special import betaincinv, ndtr

    tail, failures = float(ndtr(-z)), trials - successes
    lower = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    upper = 1.0 - float(betaincinv(failures, successes + 1, tail)) if failures else 1.0
    return Estimate(successes / trials, lower, upper)


def _wilson(successes: int, trials: int, z: float) -> Estimate:
    """Where the score `(p̂ − p)/√(p(1 − p)/n)` is ±z."""
    value, weight = successes / trials, z**2 / trials
    centre = value + weight / 2
    spread = math.sqrt(weight * (value * (1.0 - value) + weight / 4))
    lower = (centre - spread) / (1.0 + weight) if successes else 0.0
    upper = (centre + spread) / (1.0 + weight) if successes < trials else 1.0
    return Estimate(value, lower, upper)


def none_seen(trials: np.ndarray | int, confidence: float = 0.95) -> np.ndarray:
    """Clopper and Pearson's upper limit for 0 of n, `1 − ((1 − confidence)/2)^(1/n)`.

    Args:
        trials: n, any shape; without any the limit is 1.
        confidence: two-sided.
    """
    trials = np.asarray(trials, dtype=np.float64)
    share = np.divide(1.0, trials, out=np.full(trials.shape, np.inf), where=trials > 0)
    return -np.expm1(np.log((1.0 - confidence) / 2.0) * share)
