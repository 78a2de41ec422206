"""Runs at risk and runs that ended, per group, at every distinct time of every stratum."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.statistics.results import TestResult, check_cause, check_times, label_indices

# Eigenvalues of a covariance below this share of the largest are rounding: it has rank k − 1.
_RANK_TOLERANCE = 1e-10


class RiskSets(NamedTuple):
    """Counts at the distinct times of each stratum, sorted by stratum and time.

    Attributes:
        start, end: the first and the last row of each stratum, `[num_strata]`.
        size: runs in each stratum, `[num_strata]`.
        stratum: of each row, `[num_rows]`.
        at_risk, num_cause, num_any: runs neither over nor censored before the time, ends by the
            cause, and ends by any; `[num_rows, num_groups]`.
    """

    start: np.ndarray
    end: np.ndarray
    size: np.ndarray
    stratum: np.ndarray
    at_risk: np.ndarray
    num_cause: np.ndarray
    num_any: np.ndarray

    def accumulate(self, function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
        """Computes a running `np.cumsum` or `np.cumprod` over rows that starts anew with each stratum."""
        result = np.empty_like(values)
        for start, end in zip(self.start, self.end, strict=True):
            result[start : end + 1] = function(values[start : end + 1], axis=0)
        return result

    def before(self, values: np.ndarray, initial: float) -> np.ndarray:
        """Returns the values one row earlier, and `initial` at the first row of each stratum."""
        result = np.roll(values, 1, axis=0)
        result[self.start] = initial
        return result

    def last(self, values: np.ndarray) -> np.ndarray:
        """Returns, at each row, the value at the last row of its stratum."""
        return values[self.end][self.stratum]


def risk_sets(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, strata: np.ndarray | None, cause: int
) -> RiskSets:
    """Counts the runs with the labels `group` and `strata`, both `[num_runs]`."""
    time, event = check_times(time, event)
    check_cause(cause)
    group = label_indices("group", group, len(time))
    num_groups = int(group.max()) + 1
    if num_groups < 2:
        raise ValueError("a comparison needs at least two groups, got one")
    stratum = np.zeros(len(time), int) if strata is None else label_indices("strata", strata, len(time))

    order = np.lexsort((time, stratum))
    time, event, group, stratum = time[order], event[order], group[order], stratum[order]
    is_new = np.append(True, (np.diff(time) > 0) | (np.diff(stratum) > 0))
    row = np.cumsum(is_new) - 1

    def count(is_counted: np.ndarray) -> np.ndarray:
        cells = row[is_counted] * num_groups + group[is_counted]
        flat = np.bincount(cells, minlength=(row[-1] + 1) * num_groups)
        return flat.reshape(-1, num_groups)

    num_all = count(np.ones(len(time), bool))
    size, stratum = np.bincount(stratum), stratum[is_new]
    end = np.cumsum(np.bincount(stratum)) - 1
    # Runs up to the end of the stratum, less those of earlier rows: integers, so exact.
    seen = np.cumsum(num_all, axis=0)
    at_risk = seen[end][stratum] - seen + num_all
    start = np.append(0, end[:-1] + 1)
    return RiskSets(start, end, size, stratum, at_risk, count(event == cause), count(event != 0))


def chi_square(difference: np.ndarray, covariance: np.ndarray) -> TestResult:
    """Tests `dᵀ V⁻ d` against χ² with as many degrees of freedom as V has rank.

    Of k groups the rank is k − 1, less where a group had nobody at risk at any event. Without
    anything to compare, the statistic is 0 with k − 1 degrees, p 1.

    Args:
        difference: d, `[num_groups]`.
        covariance: V, `[num_groups, num_groups]`; V⁻ is its generalised inverse.
    """
    from scipy.special import chdtrc

    values, vectors = np.linalg.eigh(covariance)
    is_kept = values > _RANK_TOLERANCE * max(values.max(), _RANK_TOLERANCE)
    if not is_kept.any():
        return TestResult(0.0, len(difference) - 1, 1.0)
    projected = vectors[:, is_kept].T @ difference
    statistic = float(np.sum(projected**2 / values[is_kept]))
    degrees = int(is_kept.sum())
    return TestResult(statistic, degrees, float(chdtrc(degrees, statistic)))
