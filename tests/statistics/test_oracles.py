"""Other libraries on random data with ties and censoring; where one is wrong, that it is."""

import numpy as np
import pytest

from engine import statistics as s


def _data(seed: int, num: int = 60, causes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Half the seeds on a grid, so that ties abound, half continuous."""
    generator = np.random.default_rng(seed)
    time = generator.exponential(6.0, num)
    time = np.ceil(time) if seed % 2 else time
    return time, generator.integers(0, causes + 1, num)


@pytest.mark.parametrize("seed", range(10))
def test_kaplan_meier_agrees_with_scikit_survival_and_scipy(seed):
    from scipy.stats import CensoredData, ecdf
    from sksurv.nonparametric import kaplan_meier_estimator

    time, event = _data(seed)
    curve = s.kaplan_meier(time, event, transform="log_log")
    at, value, limits = kaplan_meier_estimator(event == 1, time, conf_type="log-log")
    np.testing.assert_array_equal(curve.time, at)
    np.testing.assert_allclose(curve.value, value, atol=1e-12)
    inside = (curve.value > 1e-9) & (curve.value < 1 - 1e-9)
    np.testing.assert_allclose(curve.lower[inside], limits[0][inside], atol=1e-8)
    np.testing.assert_allclose(curve.upper[inside], limits[1][inside], atol=1e-8)
    theirs = ecdf(CensoredData.right_censored(time, event == 0)).sf
    np.testing.assert_allclose(curve.value, theirs.evaluate(curve.time), atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_log_rank_agrees_with_scikit_survival(seed):
    from sksurv.compare import compare_survival
    from sksurv.util import Surv

    time, event = _data(seed, 90)
    group = np.random.default_rng(seed + 100).integers(0, 3, 90)
    statistic, p_value = compare_survival(Surv.from_arrays(event == 1, time), group)
    found = s.log_rank(time, event, group)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.p_value == pytest.approx(p_value, rel=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_incidence_agrees_with_scikit_survival(seed):
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    time, event = _data(seed, causes=2)
    at, incidence = cumulative_incidence_competing_risks(event, time)
    for cause in (1, 2):
        curve = s.aalen_johansen(time, event, cause)
        np.testing.assert_array_equal(curve.time, at)
        np.testing.assert_allclose(curve.value, incidence[cause], atol=1e-12)


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_incidence_agrees_with_lifelines_without_ties(seed):
    from lifelines import AalenJohansenFitter

    time, event = _data(seed, causes=2)
    curve = s.aalen_johansen(time, event)
    theirs = AalenJohansenFitter(calculate_variance=False).fit(time, event, event_of_interest=1)
    expected = theirs.cumulative_density_.loc[curve.time].to_numpy()[:, 0]
    np.testing.assert_allclose(curve.value, expected, atol=1e-8)


def test_bmt35():
    """Scrucca et al. (2007), Bone Marrow Transplant. 40: final incidences of the two causes."""
    from sksurv.datasets import load_bmt

    _, outcome = load_bmt()
    final = [s.aalen_johansen(outcome["ftime"], outcome["status"], cause).value[-1] for cause in (1, 2)]
    np.testing.assert_allclose(final, [0.27283899, 0.48126955], atol=5e-9)


@pytest.mark.filterwarnings("ignore:Tied event times")
def test_lifelines_jitters_ties_of_the_incidence():
    """Its answer for bmt35 depends on NumPy's global generator: the truth is .27283899."""
    from lifelines import AalenJohansenFitter
    from sksurv.datasets import load_bmt

    _, outcome = load_bmt()
    answers = []
    for seed in range(3):
        fitter = AalenJohansenFitter(calculate_variance=False, seed=seed)
        fitter.fit(outcome["ftime"], outcome["status"], event_of_interest=1)
        answers.append(float(fitter.cumulative_density_.iloc[-1, 0]))
    assert np.ptp(answers) > 0.01
    assert all(0.24 < answer < 0.28 for answer in answers)


@pytest.mark.filterwarnings("ignore:The maximum number of subdivisions")
@pytest.mark.parametrize("seed", range(10))
def test_restricted_mean_agrees_with_lifelines(seed):
    """Its mean; its `return_variance` is the variance of min(T, τ), not of the estimate."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    time, event = _data(seed)
    horizon = float(np.quantile(time, 0.8))
    found = s.restricted_mean(time, event, horizon)
    fitter = KaplanMeierFitter().fit(time, event)
    mean, variance = restricted_mean_survival_time(fitter, t=horizon, return_variance=True)
    assert found.value == pytest.approx(mean, rel=1e-8)
    assert variance > 10 * found.standard_error**2


@pytest.mark.parametrize("seed", range(10))
def test_restricted_mean_has_the_textbook_error(seed):
    """Klein and Moeschberger (2003), (4.5.2): `Σ (area of S beyond t)²·d/(n(n − d))`."""
    time, event = _data(seed)
    horizon = float(np.quantile(time, 0.8))
    curve = s.kaplan_meier(time, event)
    variance = 0.0
    for t, n in zip(curve.time, curve.at_risk, strict=True):
        d = np.sum((time == t) & (event == 1))
        if t <= horizon and n > d:
            ends = np.concatenate([[t], curve.time[(curve.time > t) & (curve.time < horizon)]])
            value = curve.value[np.searchsorted(curve.time, ends)]
            area = np.sum(value * np.diff(np.append(ends, horizon)))
            variance += area**2 * d / (n * (n - d))
    found = s.restricted_mean(time, event, horizon)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_median_agrees_with_lifelines(seed):
    from lifelines import KaplanMeierFitter

    time, event = _data(seed)
    fitter = KaplanMeierFitter().fit(time, event)
    assert s.median_time(time, event).value == fitter.median_survival_time_
