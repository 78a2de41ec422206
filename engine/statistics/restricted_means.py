"""Restricted means: how long on average, up to a horizon; and their differences as effect sizes."""

import math
from typing import NamedTuple

import numpy as np

from .incidence import IncidenceTable, incidence_table
from .proportions import none_seen
from .results import Estimate, check_confidence, check_times

_ROUNDING = 1e-12


class _Area(NamedTuple):
    """The restricted mean of runs with some `event`, and its response to each time s of `table`, up to the horizon.

    A and B are the areas lost for a loss of survivors at s, `later_rise`, and for events of the cause there,
    `own_rise`; `row` is the row of `table` of each run, `num_times` beyond the horizon.
    """

    value: float
    table: IncidenceTable
    later_rise: np.ndarray
    own_rise: np.ndarray
    row: np.ndarray
    event: np.ndarray


def _area(time: np.ndarray, event: np.ndarray, horizon: float) -> _Area:
    time, event = check_times(time, event)
    if not (np.isfinite(horizon) and horizon > 0):
        raise ValueError(f"horizon must be positive, got {horizon!r}")
    if horizon > time.max() and np.any(event[time == time.max()] == 0):
        raise ValueError(
            f"the restricted mean to {horizon:g} is not identified: the last run was censored at {time.max():g}"
        )
    table = incidence_table(time, event, cause=1)
    table = IncidenceTable(*(column[table.time <= horizon] for column in table))
    remaining = horizon - table.time
    steps = np.diff(table.time, append=horizon)
    # The area of F above its value at s, from s to τ, for every s.
    area = np.cumsum((table.incidence * steps)[::-1])[::-1]
    value, row = horizon - float(np.sum(table.incidence * steps)), np.searchsorted(table.time, time)
    return _Area(value, table, area - table.incidence * remaining, table.survival_before * remaining, row, event)


def _variance(found: _Area) -> float:
    """Returns the variance of the restricted mean, `Σ A²·d/(n(n−d)) + B²·d₁(n−d₁)/n³ − 2AB·d₁/n²`.

    At each time n are at risk, d end, d₁ of them by the cause; A and B are the responses of `_Area`.
    """
    A, B = found.later_rise, found.own_rise
    n, d, d1 = found.table.at_risk, found.table.num_any, found.table.num_cause
    hazard = np.divide(d, n * (n - d), out=np.zeros(len(n)), where=n > d)
    terms = A**2 * hazard + B**2 * d1 * (n - d1) / n**3 - 2.0 * A * B * d1 / n**2
    return max(float(np.sum(terms)), 0.0)


def _influence(found: _Area) -> np.ndarray:
    """Returns the derivative of the restricted mean by the weight of each run, times their number: `[num_runs]`.

    Its mean is 0. Added to the restricted mean it gives, to the order 1/n, the jackknife's pseudo-values.
    """
    n, d, d1 = found.table.at_risk, found.table.num_any, found.table.num_cause
    left = np.divide(1.0, n - d, out=np.zeros(len(n)), where=n > d)
    expected = np.append(0.0, np.cumsum(found.own_rise * d1 / n**2 - found.later_rise * d * left / n))
    # Row num_times is beyond the horizon.
    own = np.append(found.own_rise / n, 0.0)[found.row]
    later = np.append(found.later_rise * left, 0.0)[found.row]
    lost = np.where(found.event == 1, own, 0.0) - np.where(found.event != 0, later, 0.0)
    return -len(lost) * (lost - expected[np.minimum(found.row + 1, len(n))])


def _student_quantile(num: int, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(num - 1, 0.5 + confidence / 2))


def restricted_mean(time: np.ndarray, event: np.ndarray, horizon: float, confidence: float = 0.95) -> Estimate:
    """Estimates the mean of min(T, horizon), where T is infinite for a run that ends by a competing event.

    `∫₀^τ (1 − F(t)) dt`, the area above the cumulative incidence up to the horizon τ, in the unit of `time`. Limits,
    kept inside `[0, τ]`, take Student's t with n − 1 degrees of freedom and the standard error times √(n/(n−1)); where
    all runs are alike, they are those of a share of other runs up to Clopper–Pearson's for 0 of n. Raises ValueError if
    runs were censored at the last time and the horizon lies beyond it.

    Source: Royston and Parmar (2013), BMC Med. Res. Methodol. 13; Andersen (2013), Statist. Med. 32.
    """
    check_confidence(confidence)
    found = _area(time, event, horizon)
    num, value = len(found.row), found.value
    error = float(np.sqrt(_variance(found)))
    if error < _ROUNDING * horizon:
        unlike = float(none_seen(num, confidence))
        return Estimate(value, value * (1 - unlike), value + (horizon - value) * unlike, error)
    spread = _student_quantile(num, confidence) * error * math.sqrt(num / (num - 1))
    return Estimate(value, max(0.0, value - spread), min(horizon, value + spread), error)


def restricted_mean_difference(
    time: np.ndarray,
    event: np.ndarray,
    baseline_time: np.ndarray,
    baseline_event: np.ndarray,
    horizon: float,
    confidence: float = 0.95,
) -> Estimate:
    """Estimates how much later the event happens than in an independent baseline, up to the horizon.

    The difference of the restricted means, valid also when hazards cross; its limits lie at the root sum of squares of
    the distances of the two from theirs. Where the groups share seeds, use `paired_difference`.

    Source: Zou and Donner (2008), Statist. Med. 27, for the limits.
    """
    own = restricted_mean(time, event, horizon, confidence)
    other = restricted_mean(baseline_time, baseline_event, horizon, confidence)
    value = own.value - other.value
    error = float(np.hypot(own.standard_error or 0.0, other.standard_error or 0.0))
    below = float(np.hypot(own.value - own.lower, other.upper - other.value))
    above = float(np.hypot(own.upper - own.value, other.value - other.lower))
    return Estimate(value, value - below, value + above, error)


def paired_difference(
    time: np.ndarray,
    event: np.ndarray,
    baseline_time: np.ndarray,
    baseline_event: np.ndarray,
    horizon: float,
    confidence: float = 0.95,
) -> Estimate:
    """Estimates how much later the event happens than in the baseline, run i of both arms being a pair.

    The difference of the restricted means. With ψ the influence of a run on the mean of its arm, the standard error is
    `√(Σ (ψ_i − ψ'_i)²/(n(n − 1)))`, so what seeds have in common drops out; limits, kept inside `[−τ, τ]`, take
    Student's t with n − 1 degrees of freedom. Without censoring before the horizon τ it is the paired t interval of
    min(T, τ). Where all pairs differ alike, limits are those of a share of others up to Clopper–Pearson's for 0 of n.

    Source: Andersen, Hansen and Klein (2004), Lifetime Data Anal. 10: pseudo-values; Efron (1982), The Jackknife, §6.
    """
    check_confidence(confidence)
    own, other = _area(time, event, horizon), _area(baseline_time, baseline_event, horizon)
    num = len(own.row)
    if len(other.row) != num:
        raise ValueError(f"paired arms have {num} and {len(other.row)} runs: expected as many")
    value = own.value - other.value
    difference = _influence(own) - _influence(other)
    error = float(np.sqrt(np.sum(difference**2) / (num * max(num - 1, 1))))
    if error < _ROUNDING * horizon:
        unlike = float(none_seen(num, confidence))
        alike, spread = value * (1 - unlike), horizon * unlike
        return Estimate(value, alike - spread, alike + spread, 0.0)
    spread = _student_quantile(num, confidence) * error
    return Estimate(value, max(-horizon, value - spread), min(horizon, value + spread), error)
