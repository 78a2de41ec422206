"""p-values by shuffling labels, where there are too few runs for χ²."""

from collections.abc import Callable

import numpy as np

from engine.statistics.results import TestResult

_ROUNDING = 1e-9


def permuted(
    test: Callable[[np.ndarray], TestResult],
    group: np.ndarray,
    strata: np.ndarray | None,
    num_permutations: int,
    seed: int,
) -> TestResult:
    """Replaces the p-value of a test by the share of shuffles with at least its statistic, itself included.

    Labels `[num_runs]` are shuffled within strata. Where runs are exchangeable under the hypothesis
    (one law, one horizon) p is at most α with probability at most α, however few runs there are;
    where arms are censored differently that holds for many runs, because the statistic is divided
    by its standard error. With 0 permutations the test keeps its p-value.

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
