"""Weibull laws: published numbers, other libraries, and the size of the test of shape 1."""

import numpy as np
import pytest

from engine import statistics as s
from tests.statistics.freireich import PLACEBO_EVENT, PLACEBO_TIME, TREATED_EVENT, TREATED_TIME


def _sample(seed: int, num: int = 40, shape: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Censored at random times and at a horizon."""
    generator = np.random.default_rng(seed)
    wait = 3.0 * generator.weibull(shape, num)
    limit = np.minimum(generator.exponential(6.0, num), 4.0)
    return np.minimum(wait, limit), (wait <= limit).astype(int)


def test_weibull_freireich():
    """Lawless (2003), §5.2; R: `survreg(Surv(time, event) ~ 1)`: shape 1/.738691, scale e^3.519."""
    found = s.weibull(TREATED_TIME, TREATED_EVENT)
    assert found.shape.value == pytest.approx(1.353735, abs=5e-7)
    assert found.scale.value == pytest.approx(33.7652, abs=5e-5)
    assert (found.shape.lower, found.shape.upper) == pytest.approx((0.7237, 2.2037), abs=5e-5)


@pytest.mark.parametrize("seed", range(10))
def test_weibull_agrees_with_lifelines_and_scipy(seed):
    """Values, and lifelines' standard errors, to the accuracy of their optimisers."""
    from lifelines import WeibullFitter
    from scipy.stats import CensoredData, weibull_min

    time, event = _sample(seed)
    found = s.weibull(time, event, num_resamples=2)
    theirs = WeibullFitter().fit(time, event)
    assert found.shape.value == pytest.approx(theirs.rho_, rel=1e-4)
    assert found.scale.value == pytest.approx(theirs.lambda_, rel=1e-4)
    ours = _log_likelihood(time, event, found.shape.value, found.scale.value)
    assert ours >= _log_likelihood(time, event, theirs.rho_, theirs.lambda_) - 1e-12
    errors = theirs.summary["se(coef)"]
    assert found.shape.standard_error == pytest.approx(errors["rho_"], rel=1e-3)
    assert found.scale.standard_error == pytest.approx(errors["lambda_"], rel=1e-3)
    data = CensoredData.right_censored(time, event == 0)
    shape, _, scale = weibull_min.fit(data, floc=0)
    assert (found.shape.value, found.scale.value) == pytest.approx((shape, scale), rel=1e-3)


def _log_likelihood(time, event, shape, scale):
    from scipy.stats import weibull_min

    law = weibull_min(shape, scale=scale)
    return law.logpdf(time[event == 1]).sum() + law.logsf(time[event == 0]).sum()


@pytest.mark.parametrize("seed", range(5))
def test_limits_lie_where_the_profile_has_fallen(seed):
    """By half the 95 % quantile of χ²(1): the other parameter by a one-dimensional search."""
    from scipy.optimize import minimize_scalar
    from scipy.stats import chi2

    time, event = _sample(seed)
    found = s.weibull(time, event, num_resamples=2)
    top = _log_likelihood(time, event, found.shape.value, found.scale.value)

    def profile(name, value):
        def loss(log_other):
            other = float(np.exp(log_other))
            pair = (value, other) if name == "shape" else (other, value)
            return -_log_likelihood(time, event, *pair)

        return -minimize_scalar(loss, bounds=(-3, 6), method="bounded", options={"xatol": 1e-9}).fun

    for name in ("shape", "scale"):
        for limit in getattr(found, name)[1:3]:
            assert 2 * (top - profile(name, limit)) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)


def test_the_unit_of_time_is_free():
    time, event = _sample(1)
    one, other = s.weibull(time, event), s.weibull(1e6 * time, event)
    assert other.shape == pytest.approx(one.shape, rel=1e-6)
    assert other.scale == pytest.approx(tuple(1e6 * x for x in one.scale), rel=1e-6)
    assert other.test == pytest.approx(one.test, rel=1e-6)


def test_a_competing_event_is_censored():
    time, event = _sample(2)
    assert s.weibull(time, np.where(event == 0, 2, 1)) == s.weibull(time, event)


def test_very_many_events_need_no_correction():
    """The plain likelihood ratio, from SciPy's densities."""
    time = np.random.default_rng(0).weibull(1.02, 5000)
    event = np.ones(5000, int)
    found = s.weibull(time, event)
    rising = _log_likelihood(time, event, found.shape.value, found.scale.value)
    ratio = 2 * (rising - _log_likelihood(time, event, 1.0, time.mean()))
    assert found.test.statistic == pytest.approx(ratio, rel=1e-6)


def test_the_correction_shrinks_the_ratio_and_depends_on_its_seed_alone():
    """For 21 uncensored waits it is 1.0875 (20,000 resamples), 1 + 1.85/n.

    From 1,000 resamples its standard error is √(2/1000) = .045 of that; three are allowed.
    """
    found = s.weibull(PLACEBO_TIME, PLACEBO_EVENT)
    ratio = 2 * (
        _log_likelihood(PLACEBO_TIME, PLACEBO_EVENT, found.shape.value, found.scale.value)
        - _log_likelihood(PLACEBO_TIME, PLACEBO_EVENT, 1.0, PLACEBO_TIME.mean())
    )
    assert ratio / found.test.statistic == pytest.approx(1.0875, abs=0.15)
    assert s.weibull(PLACEBO_TIME, PLACEBO_EVENT) == found
    assert s.weibull(PLACEBO_TIME, PLACEBO_EVENT, seed=1).test != found.test


def test_planted_shapes_are_found():
    generator = np.random.default_rng(0)
    for shape in (0.5, 3.0):
        found = s.weibull(7.0 * generator.weibull(shape, 200), np.ones(200, int))
        assert found.shape.lower < shape < found.shape.upper
        assert found.scale.lower < 7.0 < found.scale.upper
        assert found.test.p_value < 1e-6


@pytest.mark.parametrize(
    ("time", "event", "words"),
    [
        ([1.0, 2.0], [0, 0], "no run had the event"),
        ([1.0, 2.0], [2, 2], "no run had the event"),
        ([0.0, 2.0], [1, 1], "positive"),
        ([0.0, 2.0], [0, 1], "positive"),
        ([3.0, 3.0, 3.0], [1, 1, 1], "all events are at the last time 3"),
        ([3.0], [1], "all events are at the last time 3"),
        ([1.0, 3.0], [0, 1], "all events are at the last time 3"),
        ([], [], "empty"),
        ([1.0, np.nan], [1, 1], "finite"),
        ([1.0, -1.0], [1, 1], "negative"),
        ([1.0, 2.0], [1, 3], "event codes"),
    ],
)
def test_what_has_no_law_is_one_clear_error(time, event, words):
    with pytest.raises(ValueError, match=words):
        s.weibull(time, event)


def test_bad_settings_are_one_clear_error():
    with pytest.raises(ValueError, match="num_resamples"):
        s.weibull([1.0, 2.0], [1, 1], num_resamples=1)
    with pytest.raises(ValueError, match="confidence"):
        s.weibull([1.0, 2.0], [1, 1], confidence=95)


@pytest.mark.parametrize(
    ("time", "event"),
    [
        ([1.0, 2.0, 3.0], [1, 0, 0]),
        ([1.0, 2.0], [1, 1]),
        ([5.0] * 99 + [6.0], [1] * 100),
        ([1.0] + [5.0] * 99, [1] + [0] * 99),
        ([1e-9, 1.0, 1e9], [1, 1, 1]),
    ],
)
def test_little_to_go_by_gives_wide_limits(time, event):
    found = s.weibull(np.array(time), np.array(event), num_resamples=100)
    for estimate in found[:2]:
        assert 0 < estimate.lower < estimate.value < estimate.upper
    assert 0 <= found.test.p_value <= 1


@pytest.mark.slow
@pytest.mark.parametrize("num", [10, 20, 50, 100])
@pytest.mark.parametrize("horizon", [np.inf, 0.4])
def test_size_of_the_test_of_shape_one(num, horizon):
    """Exponential waits of mean 1, all seen, or 67 % of them censored; 1,500 studies.

    Studies without an event have no test. The plain likelihood ratio rejects 8 % of ten.
    """
    generator = np.random.default_rng(num)
    rejected, studies = 0, 0
    for seed in range(1500):
        wait = generator.exponential(size=num)
        event = (wait <= horizon).astype(int)
        if event.any():
            studies += 1
            found = s.weibull(np.minimum(wait, horizon), event, num_resamples=200, seed=seed)
            rejected += found.test.p_value < 0.05
    # 4 to 6 % is meant; three Monte-Carlo standard errors of 0.56 points beyond.
    assert 0.04 - 0.017 < rejected / studies < 0.06 + 0.017
