"""Restricted means: how long on average, up to a horizon; and their differences as effect sizes."""

import math
from typing import NamedTuple

import numpy as np

from engine.statistics.incidence import IncidenceTable, incidence_table
from engine.statistics.proportions import none_seen
from engine.statistics.results import Estimate, check_confidence, check_times

_ROUNDING = 1e-12


class _Area(NamedTuple):
    """The area above the incidence up to the horizon, and its response to each time of `table`.

    Attributes:
        value: the restricted mean.
        table: up to the horizon, `[num_times]`.
        later_rise: A, the area lost after s for a loss of survivors at s.
        own_rise: B, the area lost for events of the cause at s.
        row: the row of `table` of each run, `num_times` beyond the horizon; `[num_runs]`.
        event: `[num_runs]`.
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
    steps = np.diff(np.concatenate([table.time, [horizon]]))
    # The area of F above its value at s, from s to τ, for every s.
    area = np.cumsum((table.incidence * steps)[::-1])[::-1]
    remaining = horizon - table.time
    return _Area(
        value=horizon - float(np.sum(table.incidence * steps)),
        table=table,
        later_rise=area - table.incidence * remaining,
        own_rise=table.survival_before * remaining,
        row=np.where(time <= horizon, np.searchsorted(table.time, time), len(table.time)),
        event=event,
    )


def _variance_terms(found: _Area) -> np.ndarray:
    """Returns the contribution of each time to the variance of the restricted mean, `[num_times]`.

    With n at risk, d ends and d₁ of the cause, and the responses A and B of `_Area`, it is
    `A²·d/(n(n−d)) + B²·d₁(n−d₁)/n³ − 2AB·d₁/n²`.
    """
    n, d, d1 = found.table.at_risk, found.table.num_any, found.table.num_cause
    hazard = np.divide(d, n * (n - d), out=np.zeros(len(n)), where=n > d)
    return (
        found.later_rise**2 * hazard
        + found.own_rise**2 * d1 * (n - d1) / n**3
        - 2.0 * found.later_rise * found.own_rise * d1 / n**2
    )


def _influence(found: _Area) -> np.ndarray:
    """Returns how far each run moves the restricted mean, times the number of runs: `[num_runs]`, mean 0.

    The derivative with respect to the weight of the run. Added to the mean they are what the
    jackknife calls pseudo-values, up to terms of the order 1/n; without censoring they are
    min(T, τ) itself.
    """
    n, d, d1 = found.table.at_risk, found.table.num_any, found.table.num_cause
    left = np.divide(1.0, n - d, out=np.zeros(len(n)), where=n > d)
    expected = np.cumsum(found.own_rise * d1 / n**2 - found.later_rise * d * left / n)
    is_within = found.row < len(n)
    row = found.row[is_within]
    lost = np.full(len(found.row), -expected[-1] if len(n) else 0.0)
    event = found.event[is_within]
    lost[is_within] = (
        np.where(event == 1, found.own_rise[row] / n[row], 0.0)
        - np.where(event != 0, found.later_rise[row] * left[row], 0.0)
        - expected[row]
    )
    return -len(lost) * lost


def restricted_mean(time: np.ndarray, event: np.ndarray, horizon: float, confidence: float = 0.95) -> Estimate:
    """Estimates the mean of min(T, horizon), where T is infinite for a run that ends by a competing event.

    `∫₀^τ (1 − F(t)) dt`, the area above the cumulative incidence. The standard error is that of
    the estimate, not the spread of min(T, τ). Limits are kept inside `[0, τ]`; they take Student's
    t with n − 1 degrees of freedom and the standard error times √(n/(n−1)), because the normal
    ones are too short below some thirty runs. Where the standard error is 0 (all runs alike) they
    are those of a share of other runs up to Clopper–Pearson's limit for 0 of n.

    Args:
        horizon: τ, in the unit of `time`.

    Raises:
        ValueError: see `check_times`; or the horizon is not positive, or lies beyond the last
            observed time while runs were censored there, so that the mean is not identified.

    Source: Royston and Parmar (2013), BMC Med. Res. Methodol. 13; Andersen (2013), Statist.
    Med. 32.
    """
    from scipy.special import stdtrit

    check_confidence(confidence)
    found = _area(time, event, horizon)
    num = len(found.row)
    error = float(np.sqrt(max(float(np.sum(_variance_terms(found))), 0.0)))
    if error < _ROUNDING * horizon:
        unlike = float(none_seen(num, confidence))
        value = found.value
        return Estimate(value, value * (1 - unlike), value + (horizon - value) * unlike, error)
    spread = float(stdtrit(num - 1, 0.5 + confidence / 2)) * error * math.sqrt(num / (num - 1))
    lower, upper = max(0.0, found.value - spread), min(horizon, found.value + spread)
    return Estimate(found.value, lower, upper, error)


def restricted_mean_difference(
    time: np.ndarray,
    event: np.ndarray,
    baseline_time: np.ndarray,
    baseline_event: np.ndarray,
    horizon: float,
    confidence: float = 0.95,
) -> Estimate:
    """Estimates how much later the event happens than in the baseline, up to the horizon.

    The difference of the two restricted means, in the unit of time, valid also when hazards cross.
    Its limits lie at the root sum of squares of the distances of the two means from their limits.
    The two groups are taken as independent; where they share seeds, `paired_difference` is right.

    Args:
        time, event: of the group, see `restricted_mean`.
        baseline_time, baseline_event: of the baseline.
        horizon: τ, in the unit of time.

    Raises:
        ValueError: see `restricted_mean`.

    Source: Zou and Donner (2008), Statist. Med. 27, for the limits.
    """
    own = restricted_mean(time, event, horizon, confidence)
    other = restricted_mean(baseline_time, baseline_event, horizon, confidence)
    error = float(np.hypot(own.standard_error or 0.0, other.standard_error or 0.0))
    value = own.value - other.value
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
    """Estimates how much later the event happens than in the baseline, for arms that share their seeds.

    The difference of the two restricted means, run i of one arm paired with run i of the other.
    With ψ the influence of a run on the mean of its arm, the standard error is that of the mean of
    the n paired differences, `√(Σ (ψ_i − ψ'_i)²/(n(n − 1)))`, so what seeds have in common drops
    out; limits take Student's t with n − 1 degrees of freedom, and are kept inside `[−τ, τ]`.
    Without censoring before the horizon it is the paired t interval of min(T, τ). Where all pairs
    differ alike, the limits are those of a share of other pairs up to Clopper–Pearson's for 0 of n.

    Args:
        time, event: of the group, see `restricted_mean`.
        baseline_time, baseline_event: of the baseline, in the same order.
        horizon: τ, in the unit of time.

    Raises:
        ValueError: see `restricted_mean`; or the arms have unequal numbers of runs.

    Source: Andersen, Hansen and Klein (2004), Lifetime Data Anal. 10, for pseudo-values of the
    restricted mean; Efron (1982), The Jackknife, §6, for their derivative.
    """
    from scipy.special import stdtrit

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
        alike, spread, error = value * (1 - unlike), horizon * unlike, 0.0
        return Estimate(value, alike - spread, alike + spread, error)
    spread = float(stdtrit(num - 1, 0.5 + confidence / 2)) * error
    return Estimate(value, max(-horizon, value - spread), min(horizon, value + spread), error)
