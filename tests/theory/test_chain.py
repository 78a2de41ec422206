"""Training of a chain: published half times, a second method, and what the flow conserves."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from engine.arms.arm import Arm
from engine.studies.study import resolve_arm
from engine.theory import chain

SLOPE = 2.0


def _adam(epsilon: float) -> Arm:
    numbers = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": epsilon}
    return resolve_arm(Arm(dataset="line", slope=1.0, model="chain", depth=8, optimizer="adam", **numbers))


def _half_time(*weights: float, slope: float = SLOPE) -> float:
    return float(chain.gradient_flow(np.array([weights]), slope).half_time[0])


def _integrated(weights: np.ndarray, end: float, times: np.ndarray) -> tuple[float, np.ndarray]:
    """Half time and u by a solver of differential equations in all weights, the second method."""

    def rate(_: float, w: np.ndarray) -> np.ndarray:
        others = np.array([np.delete(w, i).prod() for i in range(len(w))])
        return (SLOPE - w.prod()) * others

    def at_half(_: float, w: np.ndarray) -> float:
        return float(w.prod()) - SLOPE / 2

    found = solve_ivp(rate, (0, end), weights, "LSODA", events=at_half, dense_output=True, rtol=1e-10, atol=1e-13)
    return float(found.t_events[0][0]), found.sol(times).prod(axis=0)


@pytest.mark.parametrize(("weights", "published"), [((0.1, 0.1), 1.3233), ((0.01, 0.01), 2.4759), ((0.2,) * 4, 6.1508)])
def test_balanced_half_times_are_the_published_ones(weights, published):
    assert _half_time(*weights) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("start", [0.3, 0.1, 0.01, 1e-4])
def test_two_balanced_weights_follow_the_closed_form(start):
    """The published one, u(t) = s e^{2st}/(e^{2st} − 1 + s/u₀)."""
    flow = chain.gradient_flow(np.full((1, 2), start), SLOPE)
    ratio = SLOPE / start**2 - 1
    assert flow.half_time[0] == pytest.approx(np.log(ratio) / (2 * SLOPE), rel=1e-9)
    times = np.linspace(0, 3 * flow.half_time[0], 200)
    expected = SLOPE / (1 + ratio * np.exp(-2 * SLOPE * times))
    # Followed to a share of 1e-7 of the way.
    np.testing.assert_allclose(chain.product_at(flow, times)[0], expected, atol=2e-6)


@pytest.mark.parametrize(("depth", "deviation"), [(1, 0.5), (2, 0.1), (2, 1.0), (3, 0.3), (4, 0.5), (5, 0.7)])
def test_random_starts_agree_with_a_solver(depth, deviation):
    """Products of either sign, and the solver knows nothing of what is conserved."""
    weights = deviation * np.random.default_rng(depth).normal(size=(8, depth))
    flow = chain.gradient_flow(weights, SLOPE)
    signs = np.sign(weights.prod(axis=1))
    assert {-1.0, 1.0} == set(signs)
    for row in np.flatnonzero(flow.half_time > 0):
        end = 2.0 * flow.half_time[row]
        times = np.linspace(0, end, 100)
        half_time, products = _integrated(weights[row], end, times)
        assert flow.half_time[row] == pytest.approx(half_time, rel=1e-7)
        ours = chain.product_at(chain.gradient_flow(weights[row : row + 1], SLOPE), times)[0]
        np.testing.assert_allclose(ours, products, atol=1e-5)


def test_signs_count_only_by_their_product():
    half_times = [_half_time(*w) for w in ((0.1, 0.3, 0.2), (-0.1, 0.3, -0.2), (0.3, -0.2, -0.1))]
    assert half_times == pytest.approx([half_times[0]] * 3, rel=1e-12)
    assert _half_time(-0.1, 0.3, 0.2) > half_times[0]


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-0.1, 0.1), (-0.2, 0.2, 0.2), (0.0, 0.0, 0.4)])
def test_what_the_saddle_holds_never_passes_half(weights):
    assert _half_time(*weights) == np.inf


def test_one_weight_at_zero_is_no_saddle():
    assert 0 < _half_time(0.0, 0.3) < _half_time(0.0, 0.1) < np.inf


def test_a_start_beyond_the_slope_comes_back_to_it():
    flow = chain.gradient_flow(np.array([[2.0, 3.0]]), SLOPE)
    assert flow.half_time[0] == 0
    products = chain.product_at(flow, np.linspace(0, 3, 50))[0]
    assert products[0] == pytest.approx(6.0)
    assert np.all(np.diff(products) <= 0)
    assert products[-1] == pytest.approx(SLOPE, abs=1e-5)


def test_the_median_over_starts_is_that_of_random_ones():
    """Within four standard errors of a median, √(π/2)/√n of a scale, of 4,000 drawn starts."""
    weights = 0.1 * np.random.default_rng(0).normal(size=(4000, 2))
    drawn = chain.gradient_flow(weights, SLOPE).half_time
    spread = np.quantile(drawn, 0.84) - np.quantile(drawn, 0.16)
    known = chain.median_half_time(2, 0.1, SLOPE)
    assert known == pytest.approx(np.median(drawn), abs=4 * 1.2533 * spread / 2 / 4000**0.5)


@pytest.mark.parametrize(
    ("start", "epsilon", "published"), [(0.3, 1e-8, 300), (0.1, 1e-8, 341), (0.05, 1e-8, 406), (0.03, 1e-8, 2488)]
)
def test_adam_takes_the_published_number_of_steps(start, epsilon, published):
    products = chain.adam(np.full((1, 8), start), _adam(epsilon), 2600)[0]
    assert int(np.argmax(products >= 0.5)) == published


def test_far_below_epsilon_the_wait_is_that_of_gradient_flow():
    """The law is the leading order: what is left out shrinks with the start."""
    gaps = []
    for start in (0.03, 0.027, 0.025):
        law = chain.epsilon_wait(start, _adam(1e-8))
        products = chain.adam(np.full((1, 8), start), _adam(1e-8), int(1.5 * law))[0]
        gaps.append(int(np.argmax(products >= 0.5)) / law - 1.0)
    assert gaps == sorted(gaps, reverse=True)
    assert 0 < gaps[-1] < 0.05
