"""Agreement with other libraries on random data with ties, and behaviour at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import statistics as s


def _data(seed: int, num: int = 40, causes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Times on a grid, so that ties abound."""
    generator = np.random.default_rng(seed)
    return generator.integers(1, 12, num).astype(float), generator.integers(0, causes + 1, num)


@pytest.mark.parametrize("seed", range(20))
def test_kaplan_meier_agrees_with_lifelines(seed):
    from lifelines import KaplanMeierFitter

    time, event = _data(seed)
    fitter = KaplanMeierFitter().fit(time, event)
    curve = s.kaplan_meier(time, event, transform="log_log")
    np.testing.assert_allclose(curve.value, fitter.survival_function_.loc[curve.time].values[:, 0])
    inside = (curve.value < 1) & (curve.value > 0)
    limits = fitter.confidence_interval_.loc[curve.time].values
    np.testing.assert_allclose(curve.lower[inside], limits[inside, 0], atol=1e-8)
    np.testing.assert_allclose(curve.upper[inside], limits[inside, 1], atol=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_log_rank_agrees_with_lifelines(seed):
    from lifelines.statistics import multivariate_logrank_test

    time, event = _data(seed, 60)
    group = np.random.default_rng(seed + 100).integers(0, 3, 60)
    theirs = multivariate_logrank_test(time, group, event)
    ours = s.log_rank(time, event, group)
    assert ours.statistic == pytest.approx(theirs.test_statistic, rel=1e-8)
    assert ours.degrees_of_freedom == 2


@pytest.mark.parametrize("seed", range(5))
def test_log_rank_of_two_agrees_with_scipy(seed):
    from scipy.stats import CensoredData, logrank

    (time, event), (time2, event2) = _data(seed), _data(seed + 50)
    theirs = logrank(CensoredData.right_censored(time, event == 0), CensoredData.right_censored(time2, event2 == 0))
    both = np.concatenate([time, time2]), np.concatenate([event, event2])
    ours = s.log_rank(*both, np.repeat([0, 1], 40))
    assert ours.statistic == pytest.approx(theirs.statistic**2, rel=1e-8)


def test_strata_of_pairs_are_a_sign_test():
    """With one run of each arm per stratum the χ² is McNemar's: (a − b)²/(a + b)."""
    generator = np.random.default_rng(0)
    first, second = generator.permutation(40)[:30].astype(float).reshape(2, 15)
    time, event = np.concatenate([first, second]), np.ones(30, int)
    result = s.log_rank(time, event, np.repeat([0, 1], 15), np.tile(np.arange(15), 2))
    wins = np.sum(first < second)
    assert result.statistic == pytest.approx((wins - (15 - wins)) ** 2 / 15)


def test_one_stratum_is_no_stratum_and_lonely_runs_do_not_matter():
    time, event = _data(3, 30)
    group = np.repeat([0, 1], 15)
    plain = s.log_rank(time, event, group)
    assert s.log_rank(time, event, group, np.zeros(30)) == plain
    more = s.log_rank(np.append(time, 1.0), np.append(event, 1), np.append(group, 0), np.append(np.zeros(30), 1))
    assert more.statistic == pytest.approx(plain.statistic)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_incidences_and_survival_add_up_to_one(seed, num):
    time, event = _data(seed, num, causes=2)
    first, second = (s.aalen_johansen(time, event, cause) for cause in (1, 2))
    survival = s.kaplan_meier(time, (event > 0).astype(int))
    np.testing.assert_allclose(first.value + second.value + survival.value, 1.0, atol=1e-9)
    for curve in (first, second, survival):
        assert np.all((curve.lower <= curve.value + 1e-9) & (curve.value <= curve.upper + 1e-9))
        assert np.all((curve.lower >= 0) & (curve.upper <= 1))
    assert np.all(np.diff(first.value) >= -1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_variance_of_the_incidence_is_multinomial_without_censoring(seed, num):
    generator = np.random.default_rng(seed)
    time, event = generator.integers(1, 9, num).astype(float), generator.integers(1, 3, num)
    curve = s.aalen_johansen(time, event)
    np.testing.assert_allclose(curve.standard_error**2, curve.value * (1 - curve.value) / num, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_restricted_mean_without_censoring_is_the_mean(seed, num):
    """The mean of min(T, τ) with T infinite for competing events; variance over n."""
    generator = np.random.default_rng(seed)
    time, event = generator.integers(1, 9, num).astype(float), generator.integers(1, 3, num)
    restricted = np.minimum(np.where(event == 1, time, np.inf), 6.0)
    found = s.restricted_mean(time, event, 6.0)
    assert found.value == pytest.approx(restricted.mean(), abs=1e-9)
    assert found.standard_error == pytest.approx(restricted.std() / np.sqrt(num), abs=1e-7)


@pytest.mark.parametrize(
    ("time", "event", "median"),
    [
        ([5, 5, 5, 5], [0, 0, 0, 0], np.inf),
        ([5, 5, 5, 5], [1, 1, 1, 1], 5),
        ([0, 0, 0, 0], [1, 1, 1, 1], 0),
        ([3], [1], 3),
        ([3], [0], np.inf),
        ([1, 2, 3, 4], [1, 1, 0, 0], 2),
        ([1, 2, 3, 4], [2, 2, 2, 1], np.inf),
        ([1, 2, 3, 4], [2, 2, 2, 2], np.inf),
    ],
)
def test_edges_of_the_median(time, event, median):
    found = s.median_time(np.array(time, float), np.array(event))
    assert found.value == median
    assert found.lower <= found.value <= found.upper


def test_no_event_bounds_the_incidence_as_clopper_pearson_does():
    curve = s.aalen_johansen(np.full(20, 7.0), np.zeros(20, int))
    assert curve.value[-1] == 0
    assert curve.upper[-1] == pytest.approx(0.168433, abs=5e-7)
    curve = s.aalen_johansen(np.full(20, 7.0), np.ones(20, int))
    assert curve.value[-1] == 1
    assert curve.lower[-1] == pytest.approx(1 - 0.168433, abs=5e-7)


def test_a_comparison_without_events_finds_nothing():
    assert s.log_rank([1.0, 2, 3, 4], [0, 0, 0, 0], [0, 0, 1, 1]) == (0.0, 1, 1.0)


def test_a_restricted_mean_beyond_what_was_seen_is_refused():
    with pytest.raises(ValueError, match="not identified"):
        s.restricted_mean([1.0, 2.0], [1, 0], 3.0)
    assert s.restricted_mean([1.0, 2.0], [1, 1], 3.0).value == 1.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: s.kaplan_meier([1.0, 2.0], [1]), "shapes"),
        (lambda: s.kaplan_meier([], []), "empty"),
        (lambda: s.kaplan_meier([np.nan, 1.0], [1, 1]), "finite"),
        (lambda: s.kaplan_meier([-1.0, 1.0], [1, 1]), "negative"),
        (lambda: s.kaplan_meier([1.0, 1.0], [1, 2]), r"event codes \[2\]"),
        (lambda: s.aalen_johansen([1.0, 1.0], [1, 3]), r"event codes \[3\]"),
        (lambda: s.aalen_johansen([1.0, 1.0], [1, 1], cause=0), "cause"),
        (lambda: s.log_rank([1.0, 1.0], [1, 1], [0, 0]), "at least two"),
        (lambda: s.log_rank([1.0, 1.0], [1, 1], [0, 1, 2]), "group has shape"),
        (lambda: s.log_rank([1.0, 1.0], [1, 1], [0, 1], [0]), "strata has shape"),
        (lambda: s.restricted_mean([1.0], [1], 0.0), "horizon"),
        (lambda: s.proportion(3, 2), "successes"),
        (lambda: s.proportion(0, 0), "successes"),
        (lambda: s.proportion(1, 2, "wald"), "clopper_pearson, wilson"),
        (lambda: s.proportion(1, 2, confidence=95), "confidence"),
        (lambda: s.holm([0.5, 1.5]), "between 0 and 1"),
    ],
)
def test_bad_input_is_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("num", [4, 5, 8, 12, 20])
def test_pairs_have_an_exact_p_value(num):
    """One run of each arm per stratum, the first always earlier: two-sided binomial, 2·½ⁿ."""
    time = np.concatenate([np.arange(num), np.arange(num) + 0.5])
    result = s.log_rank(time, np.ones(2 * num), np.repeat([0, 1], num), np.tile(np.arange(num), 2))
    assert result.p_value == pytest.approx(2 * 0.5**num)
    assert result.statistic == pytest.approx(num)


def test_a_median_of_few_runs_has_no_lower_limit():
    """0 of n excludes one half only from six runs on: 1 − .025^(1/5) = .522, ^(1/6) = .459."""
    for num, lower in ((1, 0.0), (5, 0.0), (6, 7.0)):
        assert s.median_time(np.full(num, 7.0), np.ones(num)).lower == lower


def test_competing_runs_count_as_known_not_to_have_the_event():
    curve = s.aalen_johansen(np.arange(1.0, 21), np.full(20, 2))
    np.testing.assert_allclose(curve.upper, 0.168433, atol=5e-7)


@pytest.mark.parametrize("num", [5, 12, 24])
def test_restricted_mean_intervals_cover(num):
    """Exponential waits of mean 1 to τ = 1.5: coverage of the 95 % interval over 1,000 studies."""
    generator = np.random.default_rng(num)
    truth, covered = 1 - np.exp(-1.5), 0
    for _ in range(1000):
        time = generator.exponential(size=num)
        found = s.restricted_mean(np.minimum(time, 1.5), (time <= 1.5).astype(int), 1.5)
        covered += found.lower <= truth <= found.upper
    # Three Monte-Carlo standard errors of 0.7 points below 93.5 %; five runs are allowed less.
    assert covered >= (935 - 21 if num > 5 else 880)


@pytest.mark.parametrize(("event", "value"), [(0, 10.0), (1, 4.0)])
def test_runs_that_are_all_alike_leave_an_interval(event, value):
    """Nobody is seen to differ among 12, so up to 26 % may: 1 − .025^(1/12) = .2646."""
    time = np.full(12, 10.0 if event == 0 else 4.0)
    found = s.restricted_mean(time, np.full(12, event), 10.0)
    assert found.value == pytest.approx(value)
    assert found.lower == pytest.approx(value * (1 - 0.2646), abs=1e-3)
    assert found.upper == pytest.approx(value + (10 - value) * 0.2646, abs=1e-3)


def test_equal_arms_are_not_different():
    time, event = _data(5)
    found = s.restricted_mean_difference(time, event, time, event, 8.0)
    assert found.value == 0
    assert found.lower < 0 < found.upper
