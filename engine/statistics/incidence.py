"""When: waiting times of runs, some of them censored, some ended by a competing event.

Everything rests on one table of counts per distinct time, so ties are exact: no time is jittered,
and causes that end runs at the same time share its risk set.
"""

import math
from typing import NamedTuple

import numpy as np

from engine.statistics.proportions import proportion
from engine.statistics.results import Estimate, ProbabilityCurve, check_confidence, check_times

_ROUNDING = 1e-12


class _Incidence(NamedTuple):
    """Counts and the product-limit estimates at each distinct time; arrays `[num_times]`."""

    time: np.ndarray
    at_risk: np.ndarray
    num_cause: np.ndarray
    num_any: np.ndarray
    survival_before: np.ndarray
    incidence: np.ndarray


def _incidence(time: np.ndarray, event: np.ndarray, cause: int) -> _Incidence:
    distinct, index = np.unique(time, return_inverse=True)
    num_all = np.bincount(index, minlength=len(distinct))
    num_any = np.bincount(index[event != 0], minlength=len(distinct))
    num_cause = np.bincount(index[event == cause], minlength=len(distinct))
    at_risk = len(time) - np.concatenate([[0], np.cumsum(num_all)[:-1]])
    survival = np.cumprod(1.0 - num_any / at_risk)
    before = np.concatenate([[1.0], survival[:-1]])
    incidence = np.cumsum(before * num_cause / at_risk)
    return _Incidence(distinct, at_risk, num_cause, num_any, before, incidence)


def _variance_terms(table: _Incidence, later_rise: np.ndarray, own_rise: np.ndarray) -> np.ndarray:
    """The contribution of each time to the variance of a linear functional of the incidence.

    With n at risk, d ends and d₁ of the cause at a time s, and the functional's response A to a
    loss of survivors after s, and B to events of the cause at s, it is
    `A²·d/(n(n−d)) + B²·d₁(n−d₁)/n³ − 2AB·d₁/n²`.
    """
    n, d, d1 = table.at_risk, table.num_any, table.num_cause
    left = n - d
    hazard = np.divide(d, n * left, out=np.zeros(len(n)), where=left > 0)
    return (
        later_rise**2 * hazard
        + own_rise**2 * d1 * (n - d1) / n**3
        - 2.0 * later_rise * own_rise * d1 / n**2
    )


def aalen_johansen(
    time: np.ndarray, event: np.ndarray, cause: int = 1, confidence: float = 0.95
) -> ProbabilityCurve:
    """Cumulative incidence of one cause, the others competing.

    `F(t) = Σ_{s ≤ t} S(s−)·d₁(s)/n(s)`, exact under ties. Limits are complementary log-log; before
    the first event, where that transform has none, the upper limit is Clopper–Pearson's for no
    event among those at risk or ended by another cause, and where every run is over the lower
    limit is that of the time before, or Clopper–Pearson's for all.

    Args:
        time: shape `[num_runs]`, any unit.
        event: shape `[num_runs]`: 0 censored, 1 or 2 the cause.
        cause: 1 or 2.
        confidence: two-sided, pointwise.

    Raises:
        ValueError: see `check_times`; or the cause is neither 1 nor 2.

    Source: Aalen and Johansen (1978), Scand. J. Statist. 5; variance by the delta method,
    Marubini and Valsecchi (1995), §10.3.
    """
    time, event = check_times(time, event)
    if cause not in (1, 2):
        raise ValueError(f"cause must be 1 or 2, got {cause!r}")
    return _incidence_curve(_incidence(time, event, cause), confidence)


def _incidence_curve(table: _Incidence, confidence: float) -> ProbabilityCurve:
    z = check_confidence(confidence)
    error = np.sqrt(np.maximum(_incidence_variance(table), 0.0))
    value = np.clip(table.incidence, 0.0, 1.0)
    lower, upper = np.zeros_like(value), np.ones_like(value)
    is_inside = (value > _ROUNDING) & (value < 1.0 - _ROUNDING)
    inside = value[is_inside]
    spread = z * error[is_inside] / ((1.0 - inside) * -np.log1p(-inside))
    lower[is_inside] = -np.expm1(np.exp(-spread) * np.log1p(-inside))
    upper[is_inside] = -np.expm1(np.exp(spread) * np.log1p(-inside))
    num_competed = np.cumsum(table.num_any - table.num_cause)
    num_known = table.at_risk + np.concatenate([[0], num_competed[:-1]])
    for i in np.flatnonzero(value <= _ROUNDING):
        upper[i] = proportion(0, int(num_known[i]), confidence=confidence).upper
    is_all = value >= 1.0 - _ROUNDING
    if is_all.any():
        first = int(np.argmax(is_all))
        total = int(table.at_risk[0])
        is_uncensored = int(table.num_any[: first + 1].sum()) == total
        exact = proportion(total, total, confidence=confidence).lower if is_uncensored else 0.0
        lower[is_all] = max(exact, lower[:first].max(initial=0.0))
    return ProbabilityCurve(table.time, value, lower, upper, table.at_risk, error)


def _incidence_variance(table: _Incidence) -> np.ndarray:
    """Var F(t) at every distinct time: `Σ_{s ≤ t}` of `_variance_terms` with A = F(t) − F(s).

    Expanding A² in powers of F(t) turns the double sum into running sums.
    """
    n, d, d1 = table.at_risk, table.num_any, table.num_cause
    f, before = table.incidence, table.survival_before
    left = n - d
    hazard = np.divide(d, n * left, out=np.zeros(len(n)), where=left > 0)
    # With nobody left after s nothing follows: F(t) = F(s), and the term vanishes.
    own = before**2 * d1 * (n - d1) / n**3
    cross = before * d1 / n**2
    square = np.cumsum(hazard)
    linear = np.cumsum(hazard * f + cross)
    constant = np.cumsum(hazard * f**2 + own + 2.0 * cross * f)
    return f**2 * square - 2.0 * f * linear + constant


def kaplan_meier(time: np.ndarray, event: np.ndarray, confidence: float = 0.95) -> ProbabilityCurve:
    """Survival: the probability that the event has not happened by each time.

    `S(t) = Π_{s ≤ t} (1 − d(s)/n(s))`, Greenwood's variance, log-log limits with the ends treated
    as in `aalen_johansen`.

    Args:
        time: shape `[num_runs]`, any unit.
        event: shape `[num_runs]`: 0 censored, 1 the event. Where runs end by a competing event,
            1 − S is no probability: use `aalen_johansen`.
        confidence: two-sided, pointwise.

    Raises:
        ValueError: see `check_times`; also for event code 2.

    Source: Kaplan and Meier (1958), JASA 53.
    """
    time, event = check_times(time, event, codes=(0, 1))
    curve = _incidence_curve(_incidence(time, event, cause=1), confidence)
    return curve._replace(value=1.0 - curve.value, lower=1.0 - curve.upper, upper=1.0 - curve.lower)


def median_time(time: np.ndarray, event: np.ndarray, confidence: float = 0.95) -> Estimate:
    """The time by which the event has happened with probability one half.

    The interval is Brookmeyer and Crowley's: the times at which the complementary log-log limits
    of the incidence cross one half (without competing events: the log-log limits of survival).

    Args:
        time: shape `[num_runs]`, any unit.
        event: shape `[num_runs]`: 0 censored, 1 the event, 2 a competing one.
        confidence: two-sided.

    Returns:
        `value` is the first time at which the incidence is at least one half. What is not reached
        is infinite: a median of infinity means "later than observed, or never". With five runs or
        fewer the lower limit is 0: so few cannot exclude it.

    Raises:
        ValueError: see `check_times`.

    Source: Brookmeyer and Crowley (1982), Biometrics 38.
    """
    curve = aalen_johansen(time, event, confidence=confidence)
    at_start = proportion(0, len(np.asarray(time)), confidence=confidence).upper
    return Estimate(
        first_reached(curve.time, curve.value, 0.5),
        0.0 if at_start >= 0.5 else first_reached(curve.time, curve.upper, 0.5),
        first_reached(curve.time, np.maximum.accumulate(curve.lower), 0.5),
    )


def first_reached(time: np.ndarray, probability: np.ndarray, share: float) -> float:
    """The first time at which a probability that grows with time is at least a share.

    Infinite where it is not reached. Arrays of shape `[num_times]`.
    """
    is_reached = probability >= share - _ROUNDING
    return float(time[np.argmax(is_reached)]) if is_reached.any() else float("inf")


def restricted_mean(
    time: np.ndarray, event: np.ndarray, horizon: float, confidence: float = 0.95
) -> Estimate:
    """The mean of min(T, horizon), where T is infinite for a run that ends by a competing event.

    `∫₀^τ (1 − F(t)) dt`, the area above the cumulative incidence. The standard error is that of
    the estimate, not the spread of min(T, τ). Limits are kept inside `[0, τ]`; they take Student's
    t with n − 1 degrees of freedom and the standard error times √(n/(n−1)), because the normal
    ones are too short below some thirty runs. Where the standard error is 0 (all runs alike) they
    are those of a share of other runs up to Clopper–Pearson's limit for 0 of n.

    Args:
        time: shape `[num_runs]`, any unit.
        event: shape `[num_runs]`: 0 censored, 1 the event, 2 a competing one.
        horizon: τ, in the unit of `time`.
        confidence: two-sided.

    Raises:
        ValueError: see `check_times`; or the horizon is not positive, or lies beyond the last
            observed time while runs were censored there, so that the mean is not identified.

    Source: Royston and Parmar (2013), BMC Med. Res. Methodol. 13; Andersen (2013), Statist.
    Med. 32.
    """
    from scipy.special import stdtrit

    time, event = check_times(time, event)
    check_confidence(confidence)
    if not (np.isfinite(horizon) and horizon > 0):
        raise ValueError(f"horizon must be positive, got {horizon!r}")
    if horizon > time.max() and np.any(event[time == time.max()] == 0):
        raise ValueError(
            f"the restricted mean to {horizon:g} is not identified: the last run was censored at "
            f"{time.max():g}"
        )
    table = _incidence(time, event, cause=1)
    table = _Incidence(*(column[table.time <= horizon] for column in table))
    edges = np.concatenate([table.time, [horizon]])
    steps = np.diff(edges)
    # The area of F above its value at s, from s to τ, for every s.
    area = np.cumsum((table.incidence * steps)[::-1])[::-1]
    remaining = horizon - table.time
    later_rise = area - table.incidence * remaining
    own_rise = table.survival_before * remaining
    lost = float(np.sum(table.incidence * steps))
    variance = float(np.sum(_variance_terms(table, later_rise, own_rise)))
    error = float(np.sqrt(max(variance, 0.0)))
    value = horizon - lost
    if error < _ROUNDING * horizon:
        unlike = proportion(0, len(time), confidence=confidence).upper
        return Estimate(value, value * (1 - unlike), value + (horizon - value) * unlike, error)
    num = len(time)
    spread = float(stdtrit(num - 1, 0.5 + confidence / 2)) * error * math.sqrt(num / (num - 1))
    return Estimate(value, max(0.0, value - spread), min(horizon, value + spread), error)
