"""How often: fractions of runs."""

import numpy as np

from engine.statistics.results import Estimate, check_confidence

_METHODS = {"clopper_pearson": "exact", "wilson": "wilson"}


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
    from scipy.stats import binomtest

    if method not in _METHODS:
        raise ValueError(f"unknown method {method!r}: expected one of {', '.join(_METHODS)}")
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    check_confidence(confidence)
    interval = binomtest(int(successes), int(trials)).proportion_ci(confidence, _METHODS[method])
    value = successes / trials
    return Estimate(value, float(interval.low), float(interval.high))


def none_seen(trials: np.ndarray | int, confidence: float = 0.95) -> np.ndarray:
    """Clopper and Pearson's upper limit for 0 of n, `1 − ((1 − confidence)/2)^(1/n)`.

    Args:
        trials: n, any shape; without any the limit is 1.
        confidence: two-sided.
    """
    trials = np.asarray(trials, dtype=np.float64)
    share = np.divide(1.0, trials, out=np.full(trials.shape, np.inf), where=trials > 0)
    return -np.expm1(np.log((1.0 - confidence) / 2.0) * share)
