"""Runs at risk and runs that ended, per group, at every distinct time of every stratum.

One table, from sorted running counts, carries the tests between arms: its size is that of the
data, for one stratum of ten thousand runs as for five thousand pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.statistics.results import TestResult, check_times

# Eigenvalues of a covariance below this share of the largest are rounding: it has rank k − 1.
_RANK_TOLERANCE = 1e-10


class RiskSets(NamedTuple):
    """Counts at the distinct times of each stratum, sorted by stratum and time.

    Attributes:
        start: the row at which each stratum starts, shape `[num_strata]`.
        size: runs in each stratum, shape `[num_strata]`.
        stratum: of each row, shape `[num_rows]`.
        at_risk, num_cause, num_any: runs neither over nor censored before the time, ends by the
            cause, and ends by any; shape `[num_rows, num_groups]`.
    """

    start: np.ndarray
    size: np.ndarray
    stratum: np.ndarray
    at_risk: np.ndarray
    num_cause: np.ndarray
    num_any: np.ndarray

    def accumulate(self, function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
        """Computes a running `np.cumsum` or `np.cumprod` over rows that starts anew with each stratum."""
        result = np.empty_like(values)
        for rows in self._strata():
            result[rows] = function(values[rows], axis=0)
        return result

    def before(self, values: np.ndarray, initial: float) -> np.ndarray:
        """Returns the values one row earlier, and `initial` at the first row of each stratum."""
        result = np.roll(values, 1, axis=0)
        result[self.start] = initial
        return result

    def last(self, values: np.ndarray) -> np.ndarray:
        """Returns, at each row, the value at the last row of its stratum."""
        end = np.append(self.start[1:], len(self.stratum)) - 1
        return values[end][self.stratum]

    def _strata(self) -> list[slice]:
        return [slice(*ends) for ends in zip(self.start, [*self.start[1:], None], strict=True)]


def risk_sets(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, strata: np.ndarray | None, cause: int
) -> RiskSets:
    """Makes the table of shape `[num_rows, num_groups]` of runs with the labels `group` and `strata`.

    Raises:
        ValueError: see `check_times`; shapes differ; there are fewer than two groups; or the cause
            is neither 1 nor 2.
    """
    time, event = check_times(time, event)
    if cause not in (1, 2):
        raise ValueError(f"cause must be 1 or 2, got {cause!r}")
    group, num_groups = _indices(group, time.shape, "group")
    if num_groups < 2:
        raise ValueError("a comparison needs at least two groups, got one")
    labels = np.zeros(len(time), int) if strata is None else strata
    stratum, num_strata = _indices(labels, time.shape, "strata")

    order = np.lexsort((time, stratum))
    time, event, group, stratum = time[order], event[order], group[order], stratum[order]
    is_new = np.append(True, (np.diff(time) > 0) | (np.diff(stratum) > 0))
    row = np.cumsum(is_new) - 1

    def count(is_counted: np.ndarray) -> np.ndarray:
        cells = row[is_counted] * num_groups + group[is_counted]
        flat = np.bincount(cells, minlength=(row[-1] + 1) * num_groups)
        return flat.reshape(-1, num_groups)

    first = np.flatnonzero(is_new)
    num_all = count(np.ones(len(time), bool))
    # Runs up to the end of the stratum, less those of earlier rows: integers, so exact.
    seen = np.cumsum(num_all, axis=0)
    end = np.searchsorted(stratum[first], np.arange(num_strata), side="right") - 1
    at_risk = seen[end][stratum[first]] - seen + num_all
    return RiskSets(
        start=np.searchsorted(stratum[first], np.arange(num_strata)),
        size=np.bincount(stratum),
        stratum=stratum[first],
        at_risk=at_risk,
        num_cause=count(event == cause),
        num_any=count(event != 0),
    )


def _indices(labels: np.ndarray, shape: tuple[int, ...], name: str) -> tuple[np.ndarray, int]:
    """Returns `(indices [num_runs], number of distinct labels)`."""
    labels = np.asarray(labels)
    if labels.shape != shape:
        raise ValueError(f"{name} has shape {labels.shape}: expected {shape}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"{name} has labels that are not a number")
    distinct, index = np.unique(labels, return_inverse=True)
    return index, len(distinct)


def chi_square(difference: np.ndarray, covariance: np.ndarray) -> TestResult:
    """Tests `dᵀ V⁻ d` against χ² with as many degrees of freedom as V has rank.

    With k groups the rank is k − 1, or less where a group is never compared with another: it had
    nobody at risk at any event. Without anything to compare, statistic 0, k − 1 degrees, p 1.

    Args:
        difference: d, shape `[num_groups]`.
        covariance: V, shape `[num_groups, num_groups]`; V⁻ is its generalised inverse.
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
