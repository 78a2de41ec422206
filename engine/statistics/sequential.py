"""Estimates and tests that hold at every look while runs are added, not only at the last one."""

from typing import NamedTuple

import numpy as np

from .results import Estimate, check_confidence, check_counts, check_times, label_indices


class SafeTest(NamedTuple):
    """A test that may be looked at after every stratum; `num_strata` counts those with runs of both groups.

    Under the null hypothesis the e-value has mean 1, and `p_value`, which is `min(1, 1/e_value)`, is below α at any
    look with probability at most α.
    """

    e_value: float
    p_value: float
    num_strata: int


def confidence_sequence(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Estimates a binomial fraction with limits that hold at all looks at once.

    Under every fraction p the mixture `M = ∫ q^s (1−q)^(n−s) dBeta(½,½)(q) / (p^s (1−p)^(n−s))` is a martingale that
    starts at 1, so with probability `confidence` it stays below 1/α for ever. The limits enclose the p for which it
    does now; those of earlier looks hold as well. Trials must come in an order that does not depend on how they ended.

    Source: Ville (1939); Robbins (1970), Ann. Math. Statist. 41.
    """
    from scipy.optimize import brentq
    from scipy.special import betaln, xlog1py, xlogy

    check_counts(successes, trials)
    check_confidence(confidence)
    failures = trials - successes
    mixture = float(betaln(successes + 0.5, failures + 0.5) - betaln(0.5, 0.5))
    threshold = -float(np.log1p(-confidence))

    def excess(p: float) -> float:
        return mixture - float(xlogy(successes, p) + xlog1py(failures, -p)) - threshold

    value = successes / trials
    tiny = np.finfo(float).tiny
    lower = float(brentq(excess, tiny, value)) if successes else 0.0
    upper = float(brentq(excess, value, 1 - np.finfo(float).epsneg)) if failures else 1.0
    return Estimate(value, lower, upper)


def safe_log_rank(
    time: np.ndarray,
    event: np.ndarray,
    group: np.ndarray,
    hazard_ratio: float = 2.0,
    strata: np.ndarray | None = None,
    baseline: object = None,
) -> SafeTest:
    """Tests that two groups have the same hazard of the event, at any number of looks.

    Within a stratum the e-value is a ratio of partial likelihoods, `Π θ^x·n / (n₀ + θ·n₁)` over the events, where n₀
    and n₁ runs of the baseline and of the other group are at risk and x says whether the event is the other group's.
    Tied events count with the average over the orders in which they may have happened, Wallenius' noncentral
    hypergeometric probability over the central one. A competing event (2) leaves the risk set like a censored run.

    The e-values of strata, each with mean 1 given those before, are multiplied: by Ville's inequality the product
    reaches 1/α at any prefix of them with probability at most α. (Pooled over a growing set of censored runs the ratio
    is no martingale.) So looks may depend on anything, but strata and their order must be settled beforehand, as:

    - the seed, where arms share seeds. A pair counts 2θ/(1+θ), 2/(1+θ) or, tied, 1; its two runs may depend on each
      other as long as they are exchangeable under the null hypothesis;
    - blocks of seeds of fixed size (`seed // 16`), where all runs are independent, which needs fewer runs. Leave a
      block that is not over out of a look.

    Args:
        hazard_ratio: θ, for which the test is most powerful; positive and not 1.
        strata: labels `[num_runs]`; without them the e-value is for a single look.
        baseline: one of the two labels of `group` makes the test one-sided: the other group's hazard is θ times the
            baseline's. By default the e-value is the mean of those of θ and 1/θ.

    Source: Grünwald, Ly, Pérez-Ortiz and ter Schure (2021), PMLR 146; Wallenius (1963).
    """
    time, event = check_times(time, event)
    is_other = label_indices("group", group, len(time)) > 0
    labels = np.unique(group).tolist()
    if len(labels) != 2:
        raise ValueError(f"safe_log_rank compares two groups, got {len(labels)}")
    if baseline is not None and baseline not in labels:
        raise ValueError(f"baseline is {baseline!r}: expected one of {labels}")
    if baseline == labels[1]:
        is_other = ~is_other
    if not (np.isfinite(hazard_ratio) and hazard_ratio > 0 and hazard_ratio != 1):
        raise ValueError(f"hazard_ratio must be positive and not 1, got {hazard_ratio!r}")
    stratum = np.zeros(len(time), int) if strata is None else label_indices("strata", strata, len(time))

    log_ratio = np.log(hazard_ratio) * np.array([1.0] if baseline is not None else [1.0, -1.0])
    log_e = np.zeros(len(log_ratio))
    num_strata = 0
    order = np.argsort(stratum, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        if len(np.unique(is_other[rows])) == 2:
            num_strata += 1
            log_e += [_log_e_value(time[rows], event[rows], is_other[rows], r) for r in log_ratio]
    total = float(np.logaddexp.reduce(log_e) - np.log(len(log_e)))
    with np.errstate(over="ignore"):
        return SafeTest(float(np.exp(total)), float(np.exp(min(0.0, -total))), num_strata)


def _log_e_value(time: np.ndarray, event: np.ndarray, is_other: np.ndarray, log_ratio: float) -> float:
    steps = np.unique(time[event == 1])
    baseline, ended = _counts(time[~is_other], event[~is_other], steps)
    other, other_ended = _counts(time[is_other], event[is_other], steps)
    single = ended + other_ended == 1
    n, m = baseline[single], other[single]
    factor = np.log((n + m) / (n + np.exp(log_ratio) * m))
    total = float(np.sum(factor)) + log_ratio * float(np.sum(other_ended[single]))
    for row in np.flatnonzero(~single):
        tied = int(ended[row]), int(other_ended[row])
        total += _log_tied_ratio(int(baseline[row]), int(other[row]), *tied, log_ratio)
    return total


def _counts(time: np.ndarray, event: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `(at risk, events)` of one group at increasing steps."""
    time, ends = np.sort(time), np.sort(time[event == 1])
    num_events = np.searchsorted(ends, steps, side="right") - np.searchsorted(ends, steps)
    return len(time) - np.searchsorted(time, steps), num_events


def _log_tied_ratio(
    num_baseline: int, num_other: int, events_baseline: int, events_other: int, log_ratio: float
) -> float:
    """Returns the logarithm of the ratio of one distinct time, averaged over the orders of its events.

    Of i events of the baseline and j of the other group the last is the other group's in a share j/(i+j) of the orders:
    `R(i,j) = (i·R(i−1,j)·f + j·R(i,j−1)·θ·f) / (i+j)`, with `f = n / (n₀ + θ·n₁)` of the runs left before the last.
    """
    theta = np.exp(log_ratio)
    num = num_baseline + num_other

    def log_factor(i: int, j: np.ndarray) -> np.ndarray:
        return np.log((num - i - j) / (num_baseline - i + theta * (num_other - j)))

    row = np.zeros(events_other + 1)
    for i in range(events_baseline + 1):
        j = np.arange(events_other + 1)
        above = row + log_factor(i - 1, j) + np.log(i / np.maximum(i + j, 1)) if i else None
        row = np.zeros(events_other + 1) if above is None else above
        for k in range(1, events_other + 1):
            before = row[k - 1] + log_ratio + log_factor(i, np.asarray(k - 1)) + np.log(k / (i + k))
            row[k] = before if above is None else np.logaddexp(above[k], before)
    return float(row[-1])
