"""Tests between arms."""

import numpy as np

from engine.statistics.permutations import permuted
from engine.statistics.results import TestResult
from engine.statistics.risk_sets import RiskSets, chi_square, risk_sets


def log_rank(
    time: np.ndarray,
    event: np.ndarray,
    group: np.ndarray,
    strata: np.ndarray | None = None,
    num_permutations: int = 0,
    seed: int = 0,
) -> TestResult:
    """Tests that the hazard of the event is the same in all groups.

    Sums observed minus expected events over distinct times and strata, with the hypergeometric
    covariance, so ties are exact. A competing event (2) leaves the risk set like a censored run, so
    the test compares cause-specific hazards. Where every stratum with a comparison is a pair, the
    test is McNemar's, and p is exact (binomial): χ² rejects too often with few pairs.

    Args:
        strata: labels `[num_runs]`; runs are compared only within a stratum. With the seed as
            stratum, arms that share seeds are compared in pairs.
        num_permutations: with 0, p is from χ², which at ten runs in each group rejects 5 to 7 % of
            true hypotheses instead of 5; otherwise p is from so many shuffles, see `permuted`.

    Source: Mantel (1966), Cancer Chemother. Rep. 50; Peto and Peto (1972), JRSS A 135.
    """
    return permuted(lambda labels: _log_rank(time, event, labels, strata), group, strata, num_permutations, seed)


def _log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray, strata: np.ndarray | None) -> TestResult:
    from scipy.special import bdtr

    sets = risk_sets(time, event, group, strata, cause=1)
    difference, factor, share = _observed_minus_expected(sets)
    covariance = np.diag(factor @ share) - share.T @ (factor[:, None] * share)
    result = chi_square(difference.sum(0), covariance)
    # Two groups at risk, and not all of them ended at once.
    is_telling = (factor > 0) & (np.count_nonzero(sets.at_risk, axis=1) > 1)
    is_pair = sets.size[sets.stratum] == 2
    if len(covariance) == 2 and is_telling.any() and is_pair[is_telling].all():
        wins = int(np.sum(difference[is_telling, 0] > 0))
        num = int(is_telling.sum())
        p_value = 2.0 * float(bdtr(min(wins, num - wins), num, 0.5))
        return result._replace(p_value=min(p_value, 1.0))
    return result


def _observed_minus_expected(sets: RiskSets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `(difference [num_rows, num_groups], factor [num_rows], share [num_rows, num_groups])`.

    At each time the events of a group are hypergeometric: its expectation is its share of those at
    risk, times the events d, and the factor of its covariance is d(n − d)/(n − 1).
    """
    n, d = sets.at_risk.sum(1), sets.num_cause.sum(1)
    share = sets.at_risk / n[:, None]
    factor = np.divide(d * (n - d), n - 1, out=np.zeros(len(n)), where=n > 1)
    return sets.num_cause - share * d[:, None], factor, share


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjusts p-values `[num_tests]` for their number, so that the family-wise error stays below the level.

    Source: Holm (1979), Scand. J. Statist. 6.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    if p_values.ndim != 1 or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError("p_values must be one array of numbers between 0 and 1")
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
