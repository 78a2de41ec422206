"""Tests between arms, their risk sets, and p-values by shuffling labels where there are too few runs for χ²."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .results import TestResult, check_cause, check_times, label_indices

# Eigenvalues of a covariance below this share of the largest are rounding: it has rank k − 1.
_RANK_TOLERANCE = 1e-10
_ROUNDING = 1e-9


class RiskSets(NamedTuple):
    """Counts at the distinct times of each stratum, sorted by stratum and time.

    Attributes:
        start, end: the first and the last row of each stratum, `[num_strata]`; size: runs in each.
        stratum: of each row, `[num_rows]`.
        at_risk, num_cause, num_any: runs neither over nor censored before the time, ends by the cause, and ends by any;
            `[num_rows, num_groups]`.
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
        parts = np.split(values, self.start[1:])
        return np.concatenate([function(part, axis=0) for part in parts])

    def before(self, values: np.ndarray, initial: float) -> np.ndarray:
        """Returns the values one row earlier, and `initial` at the first row of each stratum."""
        result = np.roll(values, 1, axis=0)
        result[self.start] = initial
        return result


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
        return np.bincount(cells, minlength=(row[-1] + 1) * num_groups).reshape(-1, num_groups)

    num_all = count(np.ones(len(time), bool))
    size, stratum = np.bincount(stratum), stratum[is_new]
    end = np.cumsum(np.bincount(stratum)) - 1
    # Runs up to the end of the stratum, less those of earlier rows: integers, so exact.
    seen = np.cumsum(num_all, axis=0)
    at_risk = seen[end][stratum] - seen + num_all
    start = np.append(0, end[:-1] + 1)
    return RiskSets(start, end, size, stratum, at_risk, count(event == cause), count(event != 0))


def chi_square(difference: np.ndarray, covariance: np.ndarray) -> TestResult:
    """Tests `dᵀ V⁻ d` against χ² with the rank of V: k − 1 of k groups, less where one was at risk at no event.

    Without anything to compare, the statistic is 0 with k − 1 degrees, p 1.
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


def permuted(
    test: Callable[[np.ndarray], TestResult],
    group: np.ndarray,
    strata: np.ndarray | None,
    num_permutations: int,
    seed: int,
) -> TestResult:
    """Replaces the p-value of a test by the share of shuffles with at least its statistic, itself included.

    Labels `[num_runs]` are shuffled within strata; with 0 permutations the test keeps its p-value. Where runs are
    exchangeable under the hypothesis (one law, one horizon) p is at most α with probability at most α, however few runs
    there are; where arms are censored differently that holds for many runs, because the statistic is studentised.

    Source: Neuhaus (1993), Ann. Statist. 21.
    """
    if num_permutations < 0:
        raise ValueError(f"num_permutations must not be negative, got {num_permutations}")
    observed = test(np.asarray(group))
    if not num_permutations:
        return observed
    generator = np.random.default_rng(seed)
    stratum = np.zeros(len(group)) if strata is None else np.asarray(strata)
    by_stratum = np.argsort(stratum, kind="stable")
    labels = np.asarray(group)[by_stratum]
    position = np.unique(stratum[by_stratum], return_inverse=True)[1].astype(np.float64)
    least = observed.statistic * (1 - _ROUNDING) - _ROUNDING
    num_as_far = 1
    for _ in range(num_permutations):
        shuffled = np.empty_like(labels)
        # Within a stratum the order is random, and strata stay where they are.
        shuffled[by_stratum] = labels[np.argsort(position + generator.random(len(labels)) / 2)]
        num_as_far += test(shuffled).statistic >= least
    return observed._replace(p_value=num_as_far / (num_permutations + 1))


def log_rank(
    time: np.ndarray,
    event: np.ndarray,
    group: np.ndarray,
    strata: np.ndarray | None = None,
    num_permutations: int = 0,
    seed: int = 0,
) -> TestResult:
    """Tests that the hazard of the event is the same in all groups.

    Sums observed minus expected events over distinct times and strata, with the hypergeometric covariance, so ties are
    exact. A competing event (2) leaves the risk set like a censored run: cause-specific hazards are compared. Where all
    strata with a comparison are pairs, the test is McNemar's, with an exact (binomial) p.

    Args:
        strata: labels `[num_runs]` within which runs are compared; the seed makes pairs of arms that share seeds.
        num_permutations: with 0, p is from χ², which at ten runs in each group rejects 5 to 7 % of true hypotheses
            instead of 5; otherwise p is from so many shuffles, see `permuted`.

    Source: Mantel (1966), Cancer Chemother. Rep. 50; Peto and Peto (1972), JRSS A 135.
    """
    return permuted(lambda labels: _log_rank(time, event, labels, strata), group, strata, num_permutations, seed)


def _log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray, strata: np.ndarray | None) -> TestResult:
    from scipy.special import bdtr

    sets = risk_sets(time, event, group, strata, cause=1)
    # At each time the events of a group are hypergeometric: d times its share of those at risk are expected.
    n, d = sets.at_risk.sum(1), sets.num_cause.sum(1)
    share = sets.at_risk / n[:, None]
    factor = _ratio(d * (n - d), n - 1, n > 1)
    difference = sets.num_cause - share * d[:, None]
    covariance = np.diag(factor @ share) - share.T @ (factor[:, None] * share)
    result = chi_square(difference.sum(0), covariance)
    # Two groups at risk, and not all of them ended at once.
    is_telling = (factor > 0) & (np.count_nonzero(sets.at_risk, axis=1) > 1)
    is_pair = sets.size[sets.stratum] == 2
    if len(covariance) == 2 and is_telling.any() and is_pair[is_telling].all():
        num, wins = int(is_telling.sum()), int(np.sum(difference[is_telling, 0] > 0))
        p_value = 2.0 * float(bdtr(min(wins, num - wins), num, 0.5))
        return result._replace(p_value=min(p_value, 1.0))
    return result


def gray_test(
    time: np.ndarray,
    event: np.ndarray,
    group: np.ndarray,
    cause: int = 1,
    strata: np.ndarray | None = None,
    num_permutations: int = 0,
) -> TestResult:
    """Tests that the cumulative incidence of a cause is the same in all groups, where runs can also end otherwise.

    In group k with n_k at risk just before a time, all-cause survival S_k and incidence F_k, let `h_k = n_k/S_k` and
    `R_k = h_k·(1 − F_k)`, both just before. The score sums, over distinct times and strata, the events of the cause
    less their expectation `d₁·R_k/ΣR` (ρ = 0 of Gray's family). Its covariance is that of the martingale integrals,
    with the tie correction of R's `cmprsk`. With few runs and many ties that can turn negative and make p far too
    small: it is kept between 0 and 1 where, for some contrast, that at least doubles the variance.

    Args:
        strata: labels `[num_runs]` within which runs are compared. Incidence is estimated within each, so strata have
            to be large: for arms that share seeds use `paired_difference`.
        num_permutations: with 0, p is from χ², which rejects 5 to 7.5 % of true hypotheses instead of 5 at ten runs in
            each group, and 6.3 % of three groups of a hundred on a coarse grid; else from so many shuffles.

    Source: Gray (1988), Ann. Statist. 16.
    """
    return permuted(
        lambda labels: _gray_test(time, event, labels, cause, strata), group, strata, num_permutations, seed=0
    )


def _gray_test(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, cause: int, strata: np.ndarray | None
) -> TestResult:
    sets = risk_sets(time, event, group, strata, cause)
    score, covariance = _score(sets, (-np.inf, np.inf))
    _, bounded = _score(sets, (0.0, 1.0))
    if np.linalg.eigvalsh(covariance - bounded / 2)[0] < -_ROUNDING * np.abs(bounded).max():
        covariance = bounded
    return chi_square(score, covariance)


def _score(sets: RiskSets, bounds: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns `(score [num_groups], covariance [num_groups, num_groups])`, tie corrections within bounds."""
    n, d1, d = sets.at_risk, sets.num_cause, sets.num_any
    is_open = n > 0
    # Where nobody of a group is left its survival may be 0, and is not used.
    survival = sets.accumulate(np.cumprod, _ratio(n - d, n, is_open))
    survival_before = sets.before(survival, 1.0)
    own_rise = np.where(is_open, survival_before, 0.0) * _ratio(d1, n, is_open)
    incidence_before = sets.before(sets.accumulate(np.cumsum, own_rise), 0.0)
    h = _ratio(n, survival_before, is_open)
    R = h * (1.0 - incidence_before)
    total, events = h.sum(1), d1.sum(1)
    pooled = sets.accumulate(np.cumsum, events / total)
    score = (d1 - events[:, None] * R / R.sum(1, keepdims=True)).sum(0)

    remaining = 1.0 - pooled
    # Once a group has emptied the pooled incidence can pass 1, and leaves no rate where it meets 1.
    open_share = 1.0 - sets.before(pooled, 0.0)
    rate = _ratio(events, total * open_share, np.abs(open_share) > _ROUNDING)
    covariance = np.zeros((n.shape[1], n.shape[1]))
    for k in range(n.shape[1]):
        lost = _ratio(remaining, survival[:, k], survival[:, k] > 0)
        # Variances of the rise of the incidence by the cause, pooled as the hypothesis says, and by the other.
        n_k, d2, before = n[:, k], d[:, k] - d1[:, k], survival_before[:, k]
        own = _tie(total * before, events, bounds) * _ratio(before * events, total * n_k, is_open[:, k])
        other = _tie(n_k, d2, bounds) * _ratio(before**2 * d2, n_k * np.maximum(n_k, 1.0), survival[:, k] > 0)
        # The response of the scores to an end in group k: at once, and through the weights later.
        now = -h * (h[:, k] / total)[:, None]
        now[:, k] += h[:, k]
        running = sets.accumulate(np.cumsum, now * rate[:, None])
        later = running[sets.end][sets.stratum] - running
        by_cause = now + (1.0 - lost)[:, None] * later
        by_other = lost[:, None] * later
        covariance += by_cause.T @ (own[:, None] * by_cause)
        covariance += by_other.T @ (other[:, None] * by_other)
    return score, covariance


def _tie(n: np.ndarray, d: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Returns the hypergeometric factor 1 − (d − 1)/(n − 1): 1 for a single event, 0 for n = 1."""
    is_tie, is_defined = d > 1, np.abs(n - 1.0) > _ROUNDING
    factor = 1.0 - _ratio(d - 1.0, n - 1.0, is_tie & is_defined)
    return np.clip(np.where(is_tie & ~is_defined, 0.0, factor), *bounds)


def _ratio(above: np.ndarray, below: np.ndarray, is_defined: np.ndarray) -> np.ndarray:
    """Returns the quotient, 0 where it is not defined."""
    return np.divide(above, below, out=np.zeros(below.shape), where=is_defined)


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
