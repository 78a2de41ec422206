"""Variance components: closed forms, numerical integrals, and coverage."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from engine import statistics as s
from engine.statistics import random_effects
from engine.statistics.components import _log_rank_scores, _permutation_p_value


def _crossed(seed, num_init, num_order, shares, censored=0.0):
    """`(time, event, init_seed, order_seed)` of a study with unit variance of log time."""
    generator = np.random.default_rng(seed)
    init, order, rest = np.sqrt(shares)
    log_time = init * generator.normal(size=(num_init, 1))
    log_time = log_time + order * generator.normal(size=(1, num_order))
    log_time = (log_time + rest * generator.normal(size=(num_init, num_order))).ravel()
    horizon = norm.isf(censored) if censored else np.inf
    event = (log_time <= horizon).astype(int)
    time = 1000 * np.exp(np.minimum(log_time, horizon))
    return time, event, *np.divmod(np.arange(num_init * num_order), num_order)


def test_balanced_components_are_those_of_the_analysis_of_variance():
    """Searle (1992), §4.2: where the mean squares allow, restricted likelihood is Anova."""
    time, event, init, order = _crossed(1, 12, 8, (0.5, 0.2, 0.3))
    y = np.log(time).reshape(12, 8)
    rows, columns = y.mean(1, keepdims=True), y.mean(0, keepdims=True)
    rest = np.sum((y - rows - columns + y.mean()) ** 2) / (11 * 7)
    init_variance = np.var(rows, ddof=1) - rest / 8
    order_variance = np.var(columns, ddof=1) - rest / 12
    found = s.crossed_components(time, event, init, order)
    # Iteration stops where the log likelihood gains less than 1e-8 of itself.
    assert found.init_variance == pytest.approx(init_variance, rel=1e-3)
    assert found.order_variance == pytest.approx(order_variance, rel=1e-3)
    assert found.rest_variance == pytest.approx(rest, rel=1e-3)
    assert found.mean_log_time == pytest.approx(y.mean(), abs=1e-6)
    assert found[7:] == (96, 96, 12, 8)
    total = init_variance + order_variance + rest
    assert found.init_share.value == pytest.approx(init_variance / total, abs=1e-3)


def test_parents_share_is_that_of_the_analysis_of_variance():
    generator = np.random.default_rng(0)
    y = generator.normal(size=(10, 1)) + generator.normal(size=(10, 6))
    rest = np.mean(np.var(y, axis=1, ddof=1))
    between = np.var(y.mean(1), ddof=1) - rest / 6
    found = s.fork_prediction(np.exp(y.ravel()), np.ones(60), np.repeat(np.arange(10), 6))
    assert found.parent_share.value == pytest.approx(between / (between + rest), abs=1e-3)
    assert found.parent_share.lower > 0
    assert found.p_value < 0.01


@pytest.mark.parametrize("variances", [(1.0, 0.2, 0.3), (0.05, 0.6, 0.5), (2.0, 1.0, 0.05)])
def test_likelihood_is_the_integral_that_it_approximates(variances):
    """Against the normal probability of the censored block, integrated over the mean.

    Six of twelve runs are censored, a whole init among them. The oracle's own error is 1e-4; a
    likelihood off by 0.03 moves a limit that lies 1.92 below the maximum by under 1 %.
    """
    time, _, init, order = _crossed(3, 3, 4, (0.6, 0.1, 0.3))
    y = np.log(time) - np.log(time).mean()
    is_censored = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1], bool)
    covariance = variances[0] * (init[:, None] == init) + variances[1] * (order[:, None] == order)
    covariance = covariance + variances[2] * np.eye(12)
    seen, unseen = np.flatnonzero(~is_censored), np.flatnonzero(is_censored)
    own = covariance[np.ix_(seen, seen)]
    gain = np.linalg.solve(own, covariance[np.ix_(seen, unseen)]).T
    left = covariance[np.ix_(unseen, unseen)] - gain @ covariance[np.ix_(seen, unseen)]
    ones = np.ones(len(seen))
    centre = (ones @ np.linalg.solve(own, y[seen])) / (ones @ np.linalg.solve(own, ones))
    means = centre + np.linspace(-1, 1, 61) * 8 / np.sqrt(ones @ np.linalg.solve(own, ones))
    density = [
        multivariate_normal.pdf(y[seen], np.full(6, mean), own)
        * multivariate_normal(
            -(mean + gain @ (y[seen] - mean)), left, abseps=1e-9, releps=1e-4, maxpts=20000, seed=0
        ).cdf(-y[unseen])
        for mean in means
    ]
    expected = math.log(np.sum(density) * (means[1] - means[0]))
    data = random_effects.observe(y, is_censored, [init, order])
    assert random_effects.log_likelihood(data, np.log(variances))[0] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("censored", [0.0, 0.3])
def test_gradient_is_the_slope(censored):
    time, event, init, order = _crossed(0, 8, 5, (0.4, 0.2, 0.4), censored)
    data = random_effects.observe(np.log(time), event == 0, [init, order])
    at = np.log([0.3, 0.2, 0.5])
    gradient = random_effects.log_likelihood(data, at)[1]
    step = 1e-4 * np.eye(3)
    slope = [
        random_effects.log_likelihood(data, at + row)[0] - random_effects.log_likelihood(data, at - row)[0]
        for row in step
    ]
    np.testing.assert_allclose(gradient, np.array(slope) / 2e-4, atol=1e-4)


def test_stuck_runs_do_not_bias_the_shares_and_dropping_them_does():
    """40 % of 30 × 8 runs stuck: the truth .7 is inside, and without them the value falls."""
    time, event, init, order = _crossed(2, 30, 8, (0.7, 0.05, 0.25), 0.4)
    found = s.crossed_components(time, event, init, order)
    assert found.init_share.lower < 0.7 < found.init_share.upper
    assert found.init_share.upper - found.init_share.lower < 0.3
    kept = event == 1
    dropped = s.crossed_components(time[kept], event[kept], init[kept], order[kept])
    assert dropped.init_share.value < found.init_share.value - 0.1
    assert found.num_events == kept.sum()


def test_neither_unit_nor_labels_nor_the_order_of_rows_matter():
    time, event, init, order = _crossed(5, 6, 5, (0.5, 0.1, 0.4), 0.2)
    found = s.crossed_components(time, event, init, order)
    shuffle = np.random.default_rng(0).permutation(30)
    other = s.crossed_components(time[shuffle] / 60, event[shuffle], 7 * init[shuffle] + 3, order[shuffle].astype(str))
    for one, two in zip(found[:3], other[:3], strict=True):
        np.testing.assert_allclose(one[:3], two[:3], atol=2e-3)
    assert other.mean_log_time == pytest.approx(found.mean_log_time - math.log(60), abs=1e-3)


def test_roles_are_exchangeable():
    time, event, init, order = _crossed(5, 6, 5, (0.5, 0.1, 0.4), 0.2)
    one = s.crossed_components(time, event, init, order)
    two = s.crossed_components(time, event, order, init)
    np.testing.assert_allclose(one.init_share[:3], two.order_share[:3], atol=2e-3)


def test_competing_events_count_as_censored():
    time, event, init, order = _crossed(4, 6, 5, (0.5, 0.1, 0.4), 0.2)
    other = np.where(event == 0, 2, event)
    assert s.crossed_components(time, other, init, order) == s.crossed_components(time, event, init, order)


def test_missing_cells_are_no_error():
    time, event, init, order = _crossed(4, 8, 5, (0.7, 0.05, 0.25))
    kept = (init + order) % 4 != 0
    found = s.crossed_components(time[kept], event[kept], init[kept], order[kept])
    assert found.num_runs == kept.sum()
    assert found.init_share.lower < 0.7 < found.init_share.upper


def test_wandering_and_fate_reach_the_ends():
    """Planted shares of 0 and 1 − 1e-5 of init: the limits are 0, and all but 1."""
    wandering = s.crossed_components(*_crossed(0, 10, 5, (0.0, 0.0, 1.0)))
    assert wandering.init_share.lower == 0
    assert wandering.init_share.upper < 0.6
    assert wandering.rest_share.upper == 1
    fate = s.crossed_components(*_crossed(0, 10, 5, (1 - 1e-5, 0.0, 1e-5)))
    assert fate.init_share.value > 0.999
    assert fate.init_share.lower > 0.99
    assert fate.order_share.upper < 0.01


def test_limits_enclose_the_estimate_and_grow_with_confidence():
    study = _crossed(6, 6, 6, (0.4, 0.2, 0.4), 0.3)
    narrow, wide = (s.crossed_components(*study, confidence=c) for c in (0.8, 0.99))
    for one, two in zip(narrow[:3], wide[:3], strict=True):
        assert 0 <= two.lower <= one.lower <= one.value <= one.upper <= two.upper <= 1
    assert sum(share.value for share in narrow[:3]) == pytest.approx(1)


def test_permutation_p_value_is_exact():
    """Two parents, four children apart: of 70 splits two are as far, p → 2/70.

    Three standard errors of 9,999 shuffles are .005.
    """
    found = s.fork_prediction([1.0, 2, 3, 4, 5, 6, 7, 8], np.ones(8), np.repeat([0, 1], 4))
    assert abs(found.p_value - 2 / 70) < 0.005
    again = s.fork_prediction([1.0, 2, 3, 4, 5, 6, 7, 8], np.ones(8), np.repeat([0, 1], 4))
    assert again == found
    assert found[2:] == (2, 8, 8)


def _bad(change):
    arguments = {
        "time": np.array([1.0, 2, 3, 4]),
        "event": np.array([1, 1, 1, 0]),
        "init_seed": np.array([0, 0, 1, 1]),
        "order_seed": np.array([0, 1, 0, 1]),
    }
    return arguments | change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": [1.0, 2, 3, 0]}, "positive"),
        ({"time": [1.0, 2, 3, np.nan]}, "finite"),
        ({"time": [1.0, 2, 3, -4]}, "negative"),
        ({"time": [1.0, 2, 3]}, "shapes"),
        ({"event": [0, 0, 0, 0]}, "distinct times of events, got 0"),
        ({"event": [1, 0, 0, 0]}, "distinct times of events, got 1"),
        ({"time": [5.0] * 4, "event": [1] * 4}, "distinct times of events, got 1"),
        ({"event": [1, 1, 1, 4]}, r"codes \[4\]"),
        ({"init_seed": [0, 0, 0]}, "init_seed has shape"),
        ({"order_seed": [[0, 0, 0, 1]]}, "order_seed has shape"),
        ({"init_seed": [0, 0, 0, 0], "order_seed": [0, 1, 2, 3]}, "two values of init_seed"),
        ({"order_seed": [3, 3, 3, 3], "init_seed": [0, 1, 2, 3]}, "two values of order_seed"),
        ({"order_seed": [0, 0, 0, 1]}, "4 runs share 3 pairs"),
        ({"init_seed": [0, 1, 2, 3], "order_seed": [0, 1, 2, 3]}, "no init_seed has two runs"),
        ({"confidence": 95}, "confidence"),
        ({"time": [], "event": [], "init_seed": [], "order_seed": []}, "empty"),
        ({"time": [1], "event": [1], "init_seed": [0], "order_seed": [0]}, "values of init_seed"),
    ],
)
def test_bad_crosses_are_one_clear_error(change, words):
    with pytest.raises(ValueError, match=words):
        s.crossed_components(**_bad(change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": [0.0, 2, 3, 4]}, "positive"),
        ({"event": [0, 0, 0, 0]}, "distinct times of events, got 0"),
        ({"parent": [0, 0, 0, 0]}, "two parents"),
        ({"parent": [0, 1, 2, 3]}, "two children"),
        ({"parent": [0, 1]}, "parent has shape"),
        ({"num_permutations": 0}, "num_permutations"),
        ({"confidence": 0}, "confidence"),
    ],
)
def test_bad_forks_are_one_clear_error(change, words):
    arguments = {"time": [1.0, 2, 3, 4], "event": [1, 1, 1, 0], "parent": [0, 0, 1, 1]}
    with pytest.raises(ValueError, match=words):
        s.fork_prediction(**(arguments | change))


def test_a_small_cross_is_an_answer_with_wide_limits():
    found = s.crossed_components(**_bad({}))
    assert found.init_share.lower < 0.01
    assert found.init_share.upper > 0.99
    assert found.rest_share.lower < 0.01


@pytest.mark.parametrize("deviation", [0.0, 0.8])
def test_size_and_power_of_the_fork_test(deviation):
    """8 parents × 6 children of exponential waits to a horizon of 1.5 means, 300 studies."""
    generator = np.random.default_rng(7)
    parent = np.repeat(np.arange(8), 6)
    rejected = 0
    for _ in range(300):
        time = generator.exponential(size=48) * np.exp(deviation * generator.normal(size=8))[parent]
        event = time <= 1.5
        scores = _log_rank_scores(np.minimum(time, 1.5), event)
        rejected += _permutation_p_value(scores, parent, 199, generator) <= 0.05
    # Three Monte-Carlo standard errors of 1.26 points about the exact 5 %.
    if deviation == 0:
        assert abs(rejected / 300 - 0.05) < 0.038
    else:
        assert rejected / 300 > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("censored", [0.0, 0.2])
@pytest.mark.parametrize("share", [0.0, 0.7])
@pytest.mark.parametrize(("num_init", "num_order"), [(20, 5), (6, 6)])
def test_limits_of_the_shares_cover(num_init, num_order, share, censored):
    """The 95 % limits hold all three planted shares in 93.5 % of 200 studies, less 3 s.e."""
    shares = np.array([share, 0.05, 0.95 - share])
    covered = np.zeros(3)
    for seed in range(200):
        time, event, init, order = _crossed(seed, num_init, num_order, shares, censored)
        data = random_effects.observe(np.log(time), event == 0, [init, order])
        fit = random_effects.fit_variances(data)
        for k in range(3):
            covered[k] += random_effects.deviance(data, fit, k, shares[k]) <= 3.8415
    assert np.all(covered / 200 >= 0.935 - 3 * math.sqrt(0.935 * 0.065 / 200))
