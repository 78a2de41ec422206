"""Waiting times of runs, some of them censored, some ended by a competing event; ties are exact."""

from typing import NamedTuple

import numpy as np

from .proportions import none_seen
from .results import Estimate, ProbabilityCurve, check_cause, check_confidence, check_times

_ROUNDING = 1e-12
_AT_END = 1e-9  # a probability this near to 0 or 1 is there


class IncidenceTable(NamedTuple):
    """Counts and the product-limit estimates at each distinct time; arrays `[num_times]`."""

    time: np.ndarray
    at_risk: np.ndarray
    num_cause: np.ndarray
    num_any: np.ndarray
    survival_before: np.ndarray
    incidence: np.ndarray


def incidence_table(time: np.ndarray, event: np.ndarray, cause: int) -> IncidenceTable:
    """Makes the table of checked times and events for one cause."""
    distinct, index, num_all = np.unique(time, return_inverse=True, return_counts=True)
    num_any = np.bincount(index[event != 0], minlength=len(distinct))
    num_cause = np.bincount(index[event == cause], minlength=len(distinct))
    at_risk = len(time) - np.cumsum(num_all) + num_all
    before = np.append(1.0, np.cumprod(1.0 - num_any / at_risk)[:-1])
    incidence = np.cumsum(before * num_cause / at_risk)
    return IncidenceTable(distinct, at_risk, num_cause, num_any, before, incidence)


def aalen_johansen(
    time: np.ndarray, event: np.ndarray, cause: int = 1, confidence: float = 0.95, transform: str = "logit"
) -> ProbabilityCurve:
    """Estimates the cumulative incidence of one cause, the others competing.

    `F(t) = Σ_{s ≤ t} S(s−)·d₁(s)/n(s)`, exact under ties. Limits are symmetric on the scale of a transform: `logit`, or
    `log_log` (complementary log-log), a common default that errs more on one side. At 0 the upper limit is
    Clopper–Pearson's for no event among those at risk or ended by another cause; at 1 the lower limit is that of the
    time before, or Clopper–Pearson's for all.

    Source: Aalen and Johansen (1978), Scand. J. Statist. 5; variance by the delta method, Marubini and Valsecchi
    (1995), §10.3; logit limits, Meeker and Escobar (1998), Statistical Methods for Reliability Data, §3.6.
    """
    time, event = check_times(time, event)
    check_cause(cause)
    table = incidence_table(time, event, cause)
    error = np.sqrt(np.maximum(_incidence_variance(table), 0.0))
    value = np.clip(table.incidence, 0.0, 1.0)
    num_other, total = table.num_any - table.num_cause, table.at_risk[0]
    num_without = table.at_risk + np.cumsum(num_other) - num_other
    # A censored run may have had no event even where the estimate is 1.
    num_with = np.full(len(value), total if table.num_any.sum() == total else 0)
    lower, upper = curve_limits(value, error, (num_without, num_with), confidence, transform)
    return ProbabilityCurve(table.time, value, lower, upper, table.at_risk, error)


def curve_limits(
    value: np.ndarray, error: np.ndarray, known: tuple[np.ndarray, np.ndarray], confidence: float, transform: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns limits of a probability that increases `[num_times]`, symmetric on the scale of a transform.

    Where it is 0 or 1 they are Clopper and Pearson's, for so many runs known to be without the event, and with it.
    """
    z = check_confidence(confidence)
    if transform not in _LIMITS:
        raise ValueError(f"unknown transform {transform!r}: expected one of {', '.join(_LIMITS)}")
    lower, upper = np.zeros_like(value), np.ones_like(value)
    is_none, is_all = value <= _AT_END, value >= 1.0 - _AT_END
    is_inside = ~is_none & ~is_all
    lower[is_inside], upper[is_inside] = _LIMITS[transform](value[is_inside], error[is_inside], z)
    upper[is_none] = none_seen(known[0][is_none], confidence)
    exact = 1.0 - none_seen(known[1][is_all], confidence)
    lower[is_all] = np.maximum(exact, lower[~is_all].max(initial=0.0))
    return lower, upper


def log_log_limits(value: np.ndarray, error: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the limits `1 − (1 − F)^exp(∓zσ/((1 − F)·|log(1 − F)|))` of probabilities inside (0, 1)."""
    log_survival = np.log1p(-value)
    # Capped where the limits are 0 and 1 to rounding.
    spread = np.minimum(z * error / ((1.0 - value) * -log_survival), 500.0)
    return -np.expm1(np.exp(-spread) * log_survival), -np.expm1(np.exp(spread) * log_survival)


def logit_limits(value: np.ndarray, error: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the limits `1/(1 + exp(−x ± zσ/(F(1 − F))))`, x the logit of F, of F inside (0, 1)."""
    from scipy.special import expit, logit

    centre, spread = logit(value), z * error / (value * (1.0 - value))
    return expit(centre - spread), expit(centre + spread)


_LIMITS = {"logit": logit_limits, "log_log": log_log_limits}


def _incidence_variance(table: IncidenceTable) -> np.ndarray:
    """Returns Var F(t) at every distinct time: `Σ_{s ≤ t} A²·d/(n(n−d)) + B²·d₁(n−d₁)/n³ − 2AB·d₁/n²`.

    A = F(t) − F(s) is the response to a loss of survivors after s, and B = S(s−) that to events of the cause at s.
    Expanding A² in powers of F(t) turns the double sum into running sums.
    """
    n, d, d1 = table.at_risk, table.num_any, table.num_cause
    f, before = table.incidence, table.survival_before
    hazard = np.divide(d, n * (n - d), out=np.zeros(len(n)), where=n > d)
    # With nobody left after s nothing follows: F(t) = F(s), and the term vanishes.
    own = before**2 * d1 * (n - d1) / n**3
    cross = before * d1 / n**2
    square = np.cumsum(hazard)
    linear = np.cumsum(hazard * f + cross)
    constant = np.cumsum(hazard * f**2 + own + 2.0 * cross * f)
    return f**2 * square - 2.0 * f * linear + constant


def kaplan_meier(
    time: np.ndarray, event: np.ndarray, confidence: float = 0.95, transform: str = "logit"
) -> ProbabilityCurve:
    """Estimates survival: the probability that the event has not happened by each time.

    `S(t) = Π_{s ≤ t} (1 − d(s)/n(s))`, Greenwood's variance, limits as in `aalen_johansen`. Event code 2 is an error:
    with competing events 1 − S is no probability, use `aalen_johansen`.

    Source: Kaplan and Meier (1958), JASA 53.
    """
    check_times(time, event, codes=(0, 1))
    curve = aalen_johansen(time, event, confidence=confidence, transform=transform)
    return curve._replace(value=1.0 - curve.value, lower=1.0 - curve.upper, upper=1.0 - curve.lower)


def median_time(time: np.ndarray, event: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Estimates the time by which the event has happened with probability one half.

    The interval holds the times at which the complementary log-log limits of the incidence cross one half. An infinite
    value or limit means "later than observed, or never". With five runs or fewer the lower limit is 0.

    Source: Brookmeyer and Crowley (1982), Biometrics 38.
    """
    curve = aalen_johansen(time, event, confidence=confidence, transform="log_log")
    at_start = none_seen(len(np.asarray(time)), confidence)
    return Estimate(
        first_reached(curve.time, curve.value, 0.5),
        0.0 if at_start >= 0.5 else first_reached(curve.time, curve.upper, 0.5),
        first_reached(curve.time, np.maximum.accumulate(curve.lower), 0.5),
    )


def first_reached(time: np.ndarray, probability: np.ndarray, share: float) -> float:
    """Returns the first time at which an increasing probability `[num_times]` reaches a share, else infinity."""
    is_reached = probability >= share - _ROUNDING
    return float(time[np.argmax(is_reached)]) if is_reached.any() else float("inf")
