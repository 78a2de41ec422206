"""Published numbers, with their source above them."""

import numpy as np
import pytest

from engine import statistics as s
from tests.statistics.freireich import BOTH, PLACEBO_EVENT, PLACEBO_TIME, TREATED_EVENT, TREATED_TIME


def test_kaplan_meier_freireich():
    """R: `survfit(Surv(time, event) ~ 1)`: the printed survival and standard errors."""
    curve = s.kaplan_meier(TREATED_TIME, TREATED_EVENT)
    rows = np.searchsorted(curve.time, [6, 7, 10, 13, 16, 22, 23])
    np.testing.assert_allclose(
        curve.value[rows], [0.857143, 0.806723, 0.752941, 0.690196, 0.627451, 0.537815, 0.448179], atol=5e-7
    )
    np.testing.assert_allclose(
        curve.standard_error[rows], [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], atol=5e-5
    )
    np.testing.assert_array_equal(curve.at_risk[rows], [21, 17, 15, 12, 11, 7, 6])


def test_median_freireich_log_log():
    """R: `survfit(..., conf.type = "log-log")`: medians 23 (13, NA) and 8 (4, 11)."""
    assert s.median_time(TREATED_TIME, TREATED_EVENT)[:3] == (23.0, 13.0, float("inf"))
    assert s.median_time(PLACEBO_TIME, PLACEBO_EVENT)[:3] == (8.0, 4.0, 11.0)


def test_log_rank_freireich():
    """R: `survdiff(Surv(time, event) ~ group)`: χ² 16.792941 on 1 degree of freedom."""
    result = s.log_rank(*BOTH)
    assert result.statistic == pytest.approx(16.792941, abs=5e-7)
    assert result.degrees_of_freedom == 1
    assert result.p_value == pytest.approx(4.1688e-5, rel=1e-4)


def test_restricted_mean_freireich():
    """R: `survRM2::rmst2(tau = 23)`: means, standard errors and their difference."""
    treated = s.restricted_mean(TREATED_TIME, TREATED_EVENT, 23)
    placebo = s.restricted_mean(PLACEBO_TIME, PLACEBO_EVENT, 23)
    assert treated.value == pytest.approx(17.909244, abs=5e-7)
    assert treated.standard_error == pytest.approx(1.553190, abs=5e-7)
    assert placebo.value == pytest.approx(8.666667, abs=5e-7)
    assert placebo.standard_error == pytest.approx(1.377390, abs=5e-7)
    difference = s.restricted_mean_difference(TREATED_TIME, TREATED_EVENT, PLACEBO_TIME, PLACEBO_EVENT, 23)
    assert difference.value == pytest.approx(9.242577, abs=5e-7)
    assert difference.standard_error == pytest.approx(2.075958, abs=5e-7)


def test_aalen_johansen_tiny():
    """Six runs, by hand: incidence .2 at 4 and .4 at 5, with multinomial variances."""
    curve = s.aalen_johansen(np.arange(1.0, 7), np.array([0, 1, 1, 2, 2, 0]), cause=2)
    np.testing.assert_allclose(curve.value, [0, 0, 0, 0.2, 0.4, 0.4], atol=1e-12)
    np.testing.assert_allclose(curve.standard_error[3:5] ** 2, [0.032, 0.048], atol=1e-12)


@pytest.mark.parametrize(
    ("successes", "trials", "method", "lower", "upper"),
    [
        (0, 20, "clopper_pearson", 0, 0.168433),
        (1, 20, "clopper_pearson", 0.001265, 0.248733),
        (45, 50, "clopper_pearson", 0.781865, 0.966725),
        (0, 20, "wilson", 0, 0.161125),
        (45, 50, "wilson", 0.786398, 0.956524),
    ],
)
def test_proportion(successes, trials, method, lower, upper):
    """R: `binom::binom.confint`; Brown, Cai and DasGupta (2001), Statist. Sci. 16."""
    found = s.proportion(successes, trials, method)
    assert found.value == successes / trials
    assert (found.lower, found.upper) == (pytest.approx(lower, abs=5e-7), pytest.approx(upper, abs=5e-7))


def test_holm():
    """R: `p.adjust(c(.01, .04, .03, .005), "holm")`."""
    np.testing.assert_allclose(s.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02], atol=1e-12)
