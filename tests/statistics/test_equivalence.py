"""Equivalence in pairs: known answers, properties, and how often it is claimed wrongly."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import statistics as s
from engine.statistics import Margin

X = np.array([10.1, 9.7, 11.3, 10.9, 12.0, 9.2])
Y = np.array([10.0, 9.9, 11.0, 11.0, 11.8, 9.4])


def test_means_have_the_paired_t_interval_of_r():
    """R: `t.test(x, y, paired = TRUE, conf.level = .9)$conf.int`, and the same at .95."""
    found = s.equivalent_means(X, Y, 20.0, Margin(1.0))
    assert found.difference.value == pytest.approx(0.016666667, abs=1e-9)
    assert found.difference[1:3] == pytest.approx((-0.15912954, 0.19246288), abs=1e-8)
    assert found.wide[1:3] == pytest.approx((-0.20759522, 0.24092855), abs=1e-8)
    assert found.verdict == "equivalent"


@pytest.mark.parametrize(("size", "verdict"), [(0.1925, "equivalent"), (0.1924, "undecided"), (0.01, "undecided")])
def test_the_verdict_changes_where_the_interval_leaves_the_margin(size, verdict):
    assert s.equivalent_means(X, Y, 20.0, Margin(size)).verdict == verdict


def test_pairs_needed_are_the_fewest_of_the_formula():
    """|d| + t(n−1, .95)·s/√n ≤ .1 with d = 1/60 and s = .21369: first at n = 20."""
    spread = np.std(X - Y, ddof=1)
    from scipy.stats import t

    enough = [1 / 60 + t.ppf(0.95, n - 1) * spread / math.sqrt(n) <= 0.1 for n in (19, 20)]
    assert enough == [False, True]
    assert s.equivalent_means(X, Y, 20.0, Margin(0.1)).pairs_needed == 20
    assert s.equivalent_means(X + 0.2, Y, 20.0, Margin(0.1)).pairs_needed is None


def test_shares_have_the_limits_of_r():
    """R: `qbeta(.975, 6, 35) - qbeta(.025, 2, 39)`, `qbeta(.025, 5, 36) - qbeta(.975, 3, 38)`."""
    found = s.paired_share_difference(5, 2, 40, 0.9)
    assert found[:3] == pytest.approx((0.075, -0.12733724, 0.26191927), abs=1e-8)
    back = s.paired_share_difference(2, 5, 40, 0.9)
    assert back[:3] == pytest.approx((-0.075, -0.26191927, 0.12733724), abs=1e-8)


@pytest.mark.parametrize(("num", "verdict"), [(35, "undecided"), (36, "equivalent")])
def test_thirty_six_pairs_that_agree_show_a_margin_of_a_tenth(num, verdict):
    """R: `1 - .025^(1/35)` is .10003 and `1 - .025^(1/36)` is .09739."""
    found = s.equivalent_shares(np.ones(num), np.ones(num), Margin(0.1))
    assert found.verdict == verdict
    assert found.pairs_needed == 36


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_the_other_way_round_has_the_other_sign(seed, num):
    own, other = np.random.default_rng(seed).uniform(0, 10, (2, num))
    for first, second in (
        (s.equivalent_means(own, other, 10.0, Margin(1.0)), s.equivalent_means(other, own, 10.0, Margin(1.0))),
        (s.equivalent_shares(own > 5, other > 5, Margin(0.1)), s.equivalent_shares(other > 5, own > 5, Margin(0.1))),
    ):
        assert first.verdict == second.verdict
        assert first.difference[:3] == pytest.approx(
            (-second.difference.value, -second.difference.upper, -second.difference.lower)
        )


def test_identical_runs_are_equivalent_and_distant_ones_different():
    value = np.random.default_rng(0).uniform(5, 15, 200)
    assert s.equivalent_means(value, value, 30.0, Margin(1.0)).verdict == "equivalent"
    apart = s.equivalent_means(value + 2 + 0.1 * X[0] * (value > 10), value, 30.0, Margin(1.0))
    assert (apart.verdict, apart.pairs_needed) == ("different", None)
    has_event = value > 6
    assert s.equivalent_shares(has_event, has_event, Margin(0.1)).verdict == "equivalent"
    lost = s.equivalent_shares(has_event & (value < 12), has_event, Margin(0.1))
    assert lost.verdict == "different"
    assert lost.difference.value == pytest.approx(-np.mean(value >= 12))


def test_pairs_that_all_differ_alike_are_their_difference():
    """Beyond the margin more pairs are needed than two: of these 78 % may be others."""
    value = np.array([5.0, 8.0])
    for shift, verdict in ((0.0, "equivalent"), (0.9, "equivalent"), (1.5, "undecided")):
        found = s.equivalent_means(value + shift, value, 30.0, Margin(1.0))
        assert found.difference[:3] == pytest.approx((shift, shift, shift))
        assert found.verdict == verdict


def test_a_small_shift_beyond_chance_is_still_equivalent():
    value = np.random.default_rng(0).uniform(5, 15, 50)
    noise = 0.01 * np.random.default_rng(1).normal(size=50)
    found = s.equivalent_means(value + 0.1 + noise, value, 30.0, Margin(1.0))
    assert found.wide.lower > 0
    assert found.verdict == "equivalent"


def test_many_tests_make_a_difference_harder_to_claim():
    """d = .75 with a standard error of .25: t = 3 of 7 degrees of freedom has p = .01994."""
    pairs = np.full(8, 5.0), np.full(8, 5.75) + 0.25 * math.sqrt(7) * np.tile([-1.0, 1.0], 4)
    once = s.equivalent_means(pairs[1], pairs[0], 10.0, Margin(0.5))
    assert once.difference.standard_error == pytest.approx(0.25)
    assert once.verdict == "different"
    assert s.equivalent_means(pairs[1], pairs[0], 10.0, Margin(0.5, 0.05, 2)).verdict == "different"
    assert s.equivalent_means(pairs[1], pairs[0], 10.0, Margin(0.5, 0.05, 3)).verdict == "undecided"


def test_one_pair_decides_nothing():
    assert s.equivalent_means([5.0], [5.0], 10.0, Margin(1.0)).verdict == "undecided"
    assert s.equivalent_means([5.0], [9.0], 10.0, Margin(1.0)).verdict == "undecided"
    assert s.equivalent_shares([True], [False], Margin(0.1)).verdict == "undecided"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: s.equivalent_means([1.0], [1.0], 5.0, Margin(0.0)), "positive"),
        (lambda: s.equivalent_means([1.0], [1.0], 5.0, Margin(1.0, 0.6)), "level"),
        (lambda: s.equivalent_means([1.0, 2.0], [1.0], 5.0, Margin(1.0)), "2 and 1 runs"),
        (lambda: s.equivalent_shares([True], [True, False], Margin(0.1)), "equal"),
        (lambda: s.equivalent_shares([], [], Margin(0.1)), "equal"),
        (lambda: s.paired_share_difference(3, 2, 4), "add up"),
        (lambda: s.most_unseen([3], [2]), "drawn"),
    ],
)
def test_bad_pairs_are_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("drawn", "all_runs", "unseen"),
    [([8], [48], 13), ([20], [1000], 137), ([1], [1], 0), ([0], [5], 5), ([48], [48], 0)],
)
def test_unseen_runs_of_a_finite_number(drawn, all_runs, unseen):
    """R: `sum(phyper(0, 1:(N - n), N - 1:(N - n), n) >= .05)`."""
    assert s.most_unseen(drawn, all_runs) == unseen


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=3))
def test_unseen_runs_of_strata_are_those_of_the_worst_division(counts):
    drawn, all_runs = [n for n, _ in counts], [n + rest for n, rest in counts]

    def misses(unlike: tuple[int, ...]) -> float:
        return math.prod(math.comb(N - D, n) / math.comb(N, n) for n, N, D in zip(drawn, all_runs, unlike, strict=True))

    divisions = itertools.product(*(range(N + 1) for N in all_runs))
    expected = max(sum(d) for d in divisions if misses(d) >= 0.05 - 1e-9)
    assert s.most_unseen(drawn, all_runs) == expected


@pytest.mark.parametrize("num", [5, 20, 40])
def test_limits_of_shares_err_no_more_often_than_they_say(num):
    """Exactly, by the trinomial law, over a grid of true shares: at most 5 % on either side."""
    counts = [(b, c) for b in range(num + 1) for c in range(num + 1 - b)]
    limits = np.array([s.paired_share_difference(b, c, num, 0.9)[1:3] for b, c in counts])
    ways = np.array([math.comb(num, b) * math.comb(num - b, c) for b, c in counts], float)
    b, c = np.array(counts).T
    shares = [0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7]
    for own, other in itertools.product(shares, shares):
        if own + other > 1:
            continue
        probability = ways * own**b * other**c * (1 - own - other) ** (num - b - c)
        assert probability.sum() == pytest.approx(1)
        assert probability[limits[:, 1] < own - other].sum() <= 0.05
        assert probability[limits[:, 0] > own - other].sum() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("law", ["normal", "shared", "censored"])
@pytest.mark.parametrize("num", [8, 36])
def test_a_difference_as_large_as_the_margin_is_rarely_called_equivalent(law, num):
    """At most 5 % of 4,000 studies, and three Monte-Carlo standard errors of 0.34 points.

    At least 3 %, so that the margin is within reach.

    Pairs differ by the margin on average and otherwise alike in both directions, as two runs of
    one seed do that nothing but rounding has set apart.
    """
    generator = np.random.default_rng(num)
    margin, called = 1.0, 0
    for _ in range(4000):
        baseline = generator.exponential(8.0, num) + 20.0
        if law == "censored":
            baseline = np.minimum(baseline, 30.0)
        scale = 0.04 * baseline if law == "shared" else 1.0
        apart = generator.normal(size=num)
        apart = 0.5 * generator.laplace(size=num) if law == "censored" else apart
        value = baseline + margin + scale * apart
        found = s.equivalent_means(value, baseline, 200.0, Margin(margin))
        called += found.verdict == "equivalent"
    assert 0.03 < called / 4000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)
