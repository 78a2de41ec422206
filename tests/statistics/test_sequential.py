"""Statements at every look: published numbers, exact means, and sizes over all looks."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import beta, hypergeom, nchypergeom_wallenius

from engine import statistics as s
from engine.statistics.sequential import _log_tied_ratio
from tests.statistics.freireich import BOTH


def test_confidence_sequence_of_published_counts():
    assert s.confidence_sequence(0, 20).upper == pytest.approx(0.224, abs=5e-4)
    assert s.confidence_sequence(20, 20).lower == pytest.approx(0.776, abs=5e-4)
    found = s.confidence_sequence(45, 50)
    assert found[:2] == (0.9, pytest.approx(0.7135, abs=5e-5))
    assert found.upper == pytest.approx(0.9842, abs=5e-5)
    assert s.confidence_sequence(0, 1).lower == 0


def _clopper_pearson(successes, trials):
    """As `proportion`, without its slow search."""
    lower = beta.ppf(0.025, successes, trials - successes + 1) if successes else 0.0
    upper = beta.ppf(0.975, successes + 1, trials - successes) if successes < trials else 1.0
    return s.Estimate(successes / trials, lower, upper)


@pytest.mark.parametrize(
    ("method", "least", "most"), [(s.confidence_sequence, 0.0, 0.05), (_clopper_pearson, 0.15, 1.0)]
)
def test_confidence_sequence_holds_at_all_looks(method, least, most):
    """Exact: the paths of the counts whose limits have missed the truth at one of 150 looks.

    Their weight is carried forward, so there is no Monte-Carlo error. Clopper–Pearson at every
    look misses by far too often.
    """
    fractions = np.array([[0.5], [0.9]])
    weight = np.ones((2, 1))
    for trials in range(1, 151):
        limits = np.array([method(k, trials)[1:3] for k in range(trials + 1)])
        weight = np.pad(weight * (1 - fractions), ((0, 0), (0, 1))) + np.pad(weight * fractions, ((0, 0), (1, 0)))
        weight *= (limits[:, 0] <= fractions) & (fractions <= limits[:, 1])
    missed = 1 - weight.sum(1)
    assert np.all((missed > least) & (missed < most)), missed


def test_safe_log_rank_freireich():
    """341.7 is placebo first where both groups have an event in one week (22 and 23).

    6-MP first gives 263.6. Neither order was observed: ties count with the average over both.
    """
    time, event, group = BOTH
    is_treated = group == "treated"
    placebo_first = s.safe_log_rank(time + 1e-6 * is_treated, event, group, baseline="treated")
    treated_first = s.safe_log_rank(time - 1e-6 * (is_treated & (event == 1)), event, group, baseline="treated")
    assert placebo_first.e_value == pytest.approx(341.7, abs=0.05)
    assert treated_first.e_value == pytest.approx(263.58, abs=0.005)
    tied = s.safe_log_rank(time, event, group, baseline="treated")
    assert tied.e_value == pytest.approx(301.408, abs=5e-4)
    assert tied.p_value == pytest.approx(1 / tied.e_value)


@pytest.mark.parametrize(("n", "m", "i", "j"), [(8, 9, 3, 4), (1, 1, 1, 1), (5, 2, 5, 0), (3, 4, 0, 2)])
def test_ties_are_wallenius_over_hypergeometric(n, m, i, j):
    expected = nchypergeom_wallenius.logpmf(j, n + m, m, i + j, 3.0)
    expected -= hypergeom.logpmf(j, n + m, m, i + j)
    assert _log_tied_ratio(n, m, i, j, math.log(3.0)) == pytest.approx(expected, abs=1e-9)


def _all_assignments(time, event, baseline):
    """e-values under every assignment of half of the runs to each group."""
    for chosen in itertools.combinations(range(len(time)), len(time) // 2):
        group = np.isin(np.arange(len(time)), chosen).astype(int)
        yield s.safe_log_rank(time, event, group, 3.0, baseline=baseline).e_value


@pytest.mark.parametrize("baseline", [0, None])
@pytest.mark.parametrize("seed", range(3))
def test_mean_is_one_over_all_assignments(seed, baseline):
    """Exact: with any times, ties and all ends alike, shuffled labels have the mean 1."""
    generator = np.random.default_rng(seed)
    time, event = generator.integers(1, 5, 8).astype(float), generator.integers(0, 3, 8)
    values = list(_all_assignments(time, event, baseline))
    assert np.mean(values) == pytest.approx(1.0, abs=1e-12)
    assert np.ptp(values) > 0.1


def test_strata_multiply_and_lonely_ones_say_nothing():
    generator = np.random.default_rng(0)
    time, event = generator.integers(1, 9, 24).astype(float), generator.integers(0, 2, 24)
    group, strata = np.arange(24) % 2, np.arange(24) // 8
    parts = [s.safe_log_rank(time[strata == k], event[strata == k], group[strata == k], baseline=0) for k in range(3)]
    whole = s.safe_log_rank(time, event, group, strata=strata, baseline=0)
    assert whole.e_value == pytest.approx(math.prod(part.e_value for part in parts))
    assert whole.num_strata == 3
    more = s.safe_log_rank(np.append(time, 1.0), np.append(event, 1), np.append(group, 0), 2.0, np.append(strata, 9), 0)
    assert more == whole


def test_pairs_count_twice_the_share_of_the_winner():
    """Three pairs: the other group first, last, and tied, for θ = 3."""
    time = np.array([1.0, 2, 2, 1, 5, 5])
    group, strata = np.array([1, 0] * 3), np.repeat(np.arange(3), 2)
    found = s.safe_log_rank(time, np.ones(6), group, 3.0, strata, baseline=0)
    assert found.e_value == pytest.approx((6 / 4) * (2 / 4) * 1)


def test_two_sided_is_the_mean_of_both_sides_and_does_not_mind_the_labels():
    time, event, group = BOTH
    sides = [s.safe_log_rank(time, event, group, r, baseline="treated").e_value for r in (2, 0.5)]
    both = s.safe_log_rank(time, event, group)
    assert both.e_value == pytest.approx(np.mean(sides))
    swapped = np.where(group == "treated", "a", "z")
    assert s.safe_log_rank(time, event, swapped).e_value == pytest.approx(both.e_value)


def test_no_evidence_is_one():
    assert s.safe_log_rank([3.0, 3, 3, 3], [0, 0, 0, 0], [0, 0, 1, 1]) == (1.0, 1.0, 1)
    assert s.safe_log_rank([0.0, 0], [1, 1], [0, 1]).e_value == pytest.approx(1.0)
    only_one_arm = s.safe_log_rank([1.0, 2, 9, 9], [1, 1, 0, 0], [1, 1, 0, 0], baseline=0)
    assert only_one_arm.e_value == pytest.approx((2 * 4 / 6) * (2 * 3 / 4))


def test_a_pooled_ratio_drifts_when_runs_join():
    """Two of each arm are censored (e-value 1); one more either does not count, or for 10/8.

    So its mean exceeds 1 whatever the chance of the event: the reason for strata.
    """
    time, group = [9.0, 9, 9, 9, 5], [0, 0, 1, 1, 1]
    assert s.safe_log_rank(time, [0, 0, 0, 0, 0], group, baseline=0).e_value == 1
    joined = s.safe_log_rank(time, [0, 0, 0, 0, 1], group, baseline=0)
    assert joined.e_value == pytest.approx(10 / 8)


def test_everything_at_once_is_no_evidence():
    """All eight runs of both arms break at step 0, in one tie of all there are."""
    found = s.safe_log_rank(np.zeros(8), np.ones(8), np.repeat([0, 1], 4), 5.0)
    assert found == (pytest.approx(1.0), pytest.approx(1.0), 1)


def test_much_evidence_is_finite_or_infinite_but_never_an_error():
    time = np.concatenate([np.arange(1.0, 4001), np.full(4000, 9000.0)])
    found = s.safe_log_rank(time, np.ones(8000), np.repeat([1, 0], 4000), 50.0, baseline=0)
    assert found.p_value == 0
    assert found.e_value == np.inf


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], [0, 0]), "two groups, got 1"),
        (lambda: s.safe_log_rank([1.0, 2, 3], [1, 1, 1], [0, 1, 2]), "two groups, got 3"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], [0]), "group has shape"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], [0, 1], strata=[0]), "strata has shape"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], [0, 1], 1.0), "hazard_ratio"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], [0, 1], np.nan), "hazard_ratio"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 1], ["a", "b"], baseline="c"), "baseline is 'c'"),
        (lambda: s.safe_log_rank([np.nan, 2], [1, 1], [0, 1]), "finite"),
        (lambda: s.safe_log_rank([-1.0, 2], [1, 1], [0, 1]), "negative"),
        (lambda: s.safe_log_rank([1.0, 2], [1, 7], [0, 1]), r"codes \[7\]"),
        (lambda: s.safe_log_rank([], [], []), "empty"),
        (lambda: s.confidence_sequence(3, 2), "successes"),
        (lambda: s.confidence_sequence(-1, 2), "successes"),
        (lambda: s.confidence_sequence(0, 0), "successes"),
        (lambda: s.confidence_sequence(1, 2, confidence=95), "confidence"),
    ],
)
def test_bad_input_is_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def _studies(seed, ratio, block, shared=False):
    """Running e-values after each stratum, of one study of 64 seeds in two arms, two-sided.

    Times are Weibull on the grid of an evaluation, a tenth of the runs diverge, the horizon cuts
    a fifth. With `shared`, the two arms of a seed have a factor of their own in common.
    """
    generator = np.random.default_rng(seed)
    time = generator.weibull(1.5, (64, 2)) * np.array([1.0, ratio ** (-1 / 1.5)])
    if shared:
        time *= np.exp(generator.normal(size=(64, 1)))
    event = np.where(generator.random((64, 2)) < 0.1, 2, 1)
    event[time > 1.4] = 0
    time = np.ceil(np.minimum(time, 1.4) * 25) / 25
    sides = []
    for theta in (2.0, 0.5):
        values = [
            s.safe_log_rank(
                time[k : k + block].ravel(), event[k : k + block].ravel(), np.tile([0, 1], block), theta, baseline=0
            ).e_value
            for k in range(0, 64, block)
        ]
        sides.append(np.cumprod(values))
    return np.mean(sides, axis=0)


@pytest.mark.slow
@pytest.mark.parametrize(("block", "shared"), [(1, True), (1, False), (16, False)])
def test_size_over_all_looks(block, shared):
    """Rejecting at the best of all prefixes of strata: at most 5 % of 1,000 studies (+ 3 s.e.).

    That covers the looks of an engine with runs of unequal length, whichever prefixes they show.
    """
    highest = np.array([_studies(i, 1.0, block, shared).max() for i in range(1000)])
    assert np.mean(highest >= 20) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.slow
def test_power_over_all_looks():
    """Hazard ratio 2: blocks of seeds find it more often than pairs, and both mostly."""
    found = {block: np.mean([_studies(i, 2.0, block).max() >= 20 for i in range(300)]) for block in (1, 16)}
    assert found[16] > found[1] + 0.05
    assert found[16] > 0.6
