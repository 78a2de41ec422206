"""Interval-censored times: published numbers, a certificate of the maximum, limits, a trap."""

import numpy as np
import pytest

from engine import statistics as s

INF = np.inf

# Cells of an evaluation grid: 4 runs in (0, 10], 3 in (10, 20], 2 in (20, 30], 1 later.
GRID = np.repeat([0.0, 10, 20, 30], [4, 3, 2, 1]), np.repeat([10.0, 20, 30, INF], [4, 3, 2, 1])


def _turnbull_1974() -> tuple[np.ndarray, np.ndarray]:
    lower, upper = [], []
    for time, exact, right, left in zip((1, 2, 3, 4), (12, 6, 2, 3), (3, 2, 0, 3), (2, 4, 2, 5), strict=True):
        lower += [time] * (exact + right) + [0] * left
        upper += [time] * exact + [INF] * right + [time] * left
    return np.array(lower, float), np.array(upper, float)


def _random_intervals(seed: int, num: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """On a grid, of unequal widths, some right-censored and some exact."""
    generator = np.random.default_rng(seed)
    lower = generator.integers(0, 8, num).astype(float)
    upper = lower + generator.integers(0, 4, num)
    return lower, np.where(generator.random(num) < 0.2, INF, upper)


def test_turnbull_1974():
    """Turnbull (1974), JASA 69, table 2, to the three digits printed there."""
    found = s.turnbull(*_turnbull_1974(), num_resamples=2)
    np.testing.assert_array_equal(found.probability.time, [1, 2, 3, 4])
    survival = 1 - found.probability.value
    np.testing.assert_allclose(survival, [0.538, 0.295, 0.210, 0.095], atol=5e-4)


def test_the_masses_of_a_grid_are_the_shares_of_its_cells():
    found = s.turnbull(*GRID)
    np.testing.assert_allclose(found.mass, [0.4, 0.3, 0.2, 0.1], atol=1e-12)
    np.testing.assert_array_equal(found.lower, [0, 10, 20, 30])
    np.testing.assert_array_equal(found.upper, [10, 20, 30, INF])
    np.testing.assert_array_equal(found.probability.at_risk, [10, 6, 3])


def test_lifelines_takes_the_cells_of_a_grid_as_closed():
    """There neighbouring cells share their ends, and the masses come back as .667, .083, .25.

    Nudged left ends make it right. It stops within some 3e-3 of the maximum.
    """
    from lifelines import KaplanMeierFitter

    lower, upper = GRID
    shut = KaplanMeierFitter().fit_interval_censoring(lower, upper).survival_function_
    masses = -np.diff(shut["NPMLE_estimate_upper"].to_numpy(), prepend=1.0)
    np.testing.assert_allclose(masses[masses > 1e-3], [0.667, 0.083, 0.25], atol=5e-3)
    nudged = np.where(lower > 0, lower + 1e-6, 0.0)
    opened = KaplanMeierFitter().fit_interval_censoring(nudged, upper).survival_function_
    masses = -np.diff(opened["NPMLE_estimate_upper"].to_numpy(), prepend=1.0)
    np.testing.assert_allclose(masses[masses > 1e-3], [0.4, 0.3, 0.2], atol=5e-3)


def _holds(found: s.IntervalEstimate, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Whether run i's interval contains innermost interval j, `[num_runs, num_intervals]`."""
    is_point = found.lower == found.upper
    starts = np.where(
        (lower < upper)[:, None] & is_point,
        lower[:, None] < found.lower,
        np.where((lower == upper)[:, None] & ~is_point, False, lower[:, None] <= found.lower),
    )
    return starts & (found.upper <= upper[:, None])


@pytest.mark.parametrize("seed", range(25))
def test_the_gradient_certifies_the_maximum(seed):
    """The likelihood is concave: no cell may gain, and cells with mass are level."""
    lower, upper = _random_intervals(seed)
    found = s.turnbull(lower, upper, num_resamples=2)
    holds = _holds(found, lower, upper)
    assert holds.any(1).all()
    gradient = (holds / (holds @ found.mass)[:, None]).mean(0)
    assert gradient.max() <= 1 + 1e-9
    # Σ mass·gradient = 1, so what lies below 1 by δ holds at most gap/δ.
    assert np.all(found.mass * (1 - gradient) < 1e-9)
    assert found.mass.sum() == pytest.approx(1, abs=1e-12)
    assert found.gap <= 1e-9


def test_the_maximum_is_that_of_a_general_optimiser():
    from scipy.optimize import minimize

    lower, upper = _random_intervals(7)
    found = s.turnbull(lower, upper, num_resamples=2)
    holds = _holds(found, lower, upper)
    num = len(found.mass)
    best = minimize(
        lambda mass: -np.log(holds @ mass).mean(),
        np.full(num, 1 / num),
        jac=lambda mass: -(holds / (holds @ mass)[:, None]).mean(0),
        bounds=[(1e-12, 1)] * num,
        constraints={"type": "eq", "fun": lambda mass: mass.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert -np.log(holds @ found.mass).mean() <= best.fun + 1e-9
    np.testing.assert_allclose(holds @ found.mass, holds @ best.x, atol=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_exact_and_right_censored_times_give_kaplan_meier(seed):
    generator = np.random.default_rng(seed)
    time, event = generator.integers(0, 9, 40).astype(float), generator.integers(0, 2, 40)
    found = s.turnbull(time, np.where(event == 1, time, INF), num_resamples=2).probability
    expected = s.kaplan_meier(time, event)
    rows = np.searchsorted(expected.time, found.time)
    np.testing.assert_allclose(found.value, 1 - expected.value[rows], atol=1e-8)
    np.testing.assert_array_equal(found.at_risk, expected.at_risk[rows])


def test_limits_of_a_grid_are_those_of_the_incidence():
    """There the bootstrap's standard error is the binomial one, up to its own noise.

    With 4,000 resamples that is 1.1 % of it; the limits may differ by four times as much.
    """
    found = s.turnbull(*GRID, num_resamples=4000).probability
    error = np.sqrt(found.value * (1 - found.value) / 10)
    np.testing.assert_allclose(found.standard_error, error, rtol=0.045)
    expected = s.aalen_johansen(np.minimum(GRID[1], 31), np.isfinite(GRID[1]).astype(int))
    np.testing.assert_allclose(found.lower, expected.lower[:3], atol=0.01)
    np.testing.assert_allclose(found.upper, expected.upper[:3], atol=0.02)


def test_the_bootstrap_depends_on_its_seed_alone():
    lower, upper = _random_intervals(3)
    one, two = (s.turnbull(lower, upper, num_resamples=50, seed=1).probability for _ in "ab")
    np.testing.assert_array_equal(one.lower, two.lower)
    other = s.turnbull(lower, upper, num_resamples=50, seed=2).probability
    assert not np.array_equal(one.lower, other.lower)
    np.testing.assert_array_equal(one.value, other.value)


@pytest.mark.parametrize(
    ("lower", "upper", "mass", "value", "low", "high"),
    [
        ([0] * 5, [4] * 5, [1.0], [1.0], 0.4782, 1.0),
        ([0] * 5, [0] * 5, [1.0], [1.0], 0.4782, 1.0),
        ([4] * 5, [INF] * 5, [1.0], [], None, None),
        ([2], [3], [1.0], [1.0], 0.025, 1.0),
        ([2] * 5, [2] * 5, [1.0], [1.0], 0.4782, 1.0),
    ],
)
def test_runs_that_are_all_alike(lower, upper, mass, value, low, high):
    """Clopper–Pearson of 5 of 5: .025^(1/5) = .4782; everything over at step 0; none at all."""
    found = s.turnbull(lower, upper, num_resamples=5)
    np.testing.assert_allclose(found.mass, mass)
    np.testing.assert_allclose(found.probability.value, value)
    if value:
        assert found.probability.lower[0] == pytest.approx(low, abs=5e-5)
        assert found.probability.upper[0] == pytest.approx(high)


def test_an_interval_is_open_on_the_left():
    """(2, 3] does not hold the exact time 2, and (1, 2] does."""
    apart = s.turnbull([2, 2], [3, 2], num_resamples=2)
    np.testing.assert_allclose(apart.mass, [0.5, 0.5])
    together = s.turnbull([1, 2], [2, 2], num_resamples=2)
    np.testing.assert_allclose(together.mass, [1.0])


@pytest.mark.parametrize("kind", ["grid", "continuous", "exact"])
def test_ten_thousand_runs_are_soon_done(kind):
    """Counts of equal intervals are taken together, and running sums replace a matrix."""
    import time

    generator = np.random.default_rng(0)
    wait = generator.exponential(size=10_000)
    if kind == "grid":
        lower = np.floor(wait * 20) / 20
        upper = lower + 0.05
    elif kind == "continuous":
        lower, upper = wait * generator.random(10_000), wait + generator.exponential(size=10_000)
    else:
        lower, upper = wait, np.where(generator.random(10_000) < 0.2, INF, wait)
    start = time.process_time()
    found = s.turnbull(lower, upper, num_resamples=2)
    assert found.gap <= 1e-9
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        ([], [], "empty"),
        ([1.0], [1.0, 2.0], "shapes"),
        ([np.nan], [1.0], "finite"),
        ([0.0], [np.nan], "a number"),
        ([-1.0], [1.0], "negative"),
        ([INF], [INF], "finite"),
        ([0.0, 3.0], [1.0, 2.0], "run 1 has lower 3 above upper 2"),
    ],
)
def test_bad_intervals_are_one_clear_error(lower, upper, words):
    with pytest.raises(ValueError, match=words):
        s.turnbull(lower, upper)


def test_bad_settings_are_one_clear_error():
    with pytest.raises(ValueError, match="num_resamples"):
        s.turnbull([0.0], [1.0], num_resamples=1)
    with pytest.raises(ValueError, match="confidence"):
        s.turnbull([0.0], [1.0], confidence=95)


@pytest.mark.slow
def test_limits_cover_on_a_grid_of_mixed_widths():
    """Fifty exponential waits seen at steps of .4 or .8, to 1.6: 300 studies, at .8 and 1.6."""
    generator = np.random.default_rng(0)
    covered, total = 0, 0
    for _ in range(300):
        wait = generator.exponential(size=50)
        width = np.where(generator.random(50) < 0.4, 0.8, 0.4)
        lower = np.floor(wait / width) * width
        is_late = lower >= 1.6 - 1e-9
        upper = np.where(is_late, INF, np.round(lower + width, 6))
        lower = np.round(np.minimum(lower, 1.6), 6)
        found = s.turnbull(lower, upper, num_resamples=50).probability
        for t in (0.8, 1.6):
            row = np.searchsorted(found.time, t + 1e-9) - 1
            covered += found.lower[row] <= -np.expm1(-t) <= found.upper[row]
            total += 1
    # Three Monte-Carlo standard errors of 1 point (0.9 if independent) below 93.5 %.
    assert covered / total > 0.935 - 0.03
