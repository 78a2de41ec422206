"""The equations of committees against their closed forms, and against plain averages."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import erf

from engine.theory.order_parameters import (
    Overlaps,
    escape_rate,
    loss_curve,
    loss_of,
    overlaps_of,
    plateau_height,
    velocity,
)


def symmetric(num_units: int, overlap: float) -> Overlaps:
    """Every unit of the student is the same multiple of the sum of the teacher's."""
    students = np.full((num_units, num_units), num_units * overlap**2)
    return Overlaps(students, np.full((num_units, num_units), overlap))


def fixed_point(num_units: int) -> Overlaps:
    return symmetric(num_units, 1 / np.sqrt(num_units * (2 * num_units - 1)))


def flat(overlaps: Overlaps) -> np.ndarray:
    return np.concatenate([part.ravel() for part in overlaps])


@pytest.mark.parametrize(("num_units", "height"), [(2, 0.0116108), (3, 0.0202966)])
def test_the_plateau_is_the_least_loss_of_equal_units(num_units, height):
    assert plateau_height(num_units) == pytest.approx(height, abs=5e-8)
    found = minimize_scalar(lambda r: loss_of(symmetric(num_units, r)), (0.1, 0.5), tol=1e-12)
    assert found.fun == pytest.approx(plateau_height(num_units), rel=1e-9)
    point = fixed_point(num_units)
    assert loss_of(point) == pytest.approx(plateau_height(num_units), rel=1e-12)
    assert np.abs(flat(velocity(point, 0.0))).max() < 1e-12


@pytest.mark.parametrize("num_units", [2, 3, 4])
def test_the_escape_rate_is_the_largest_eigenvalue_there(num_units):
    point, size = fixed_point(num_units), num_units**2

    def moved(values: np.ndarray) -> np.ndarray:
        shape = (num_units, num_units)
        return flat(velocity(Overlaps(*(part.reshape(shape) for part in values)), 0.0))

    base, step = flat(point), 1e-5
    columns = []
    for i in range(2 * size):
        change = step * (np.arange(2 * size) == i)
        ends = [moved(np.split(base + sign * change, 2)) for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    # Both orders of a pair of students are one number.
    mixing = np.eye(2 * size)
    swap = np.arange(size).reshape(num_units, num_units).T.ravel()
    mixing[:size, :size] = (np.eye(size) + np.eye(size)[swap]) / 2
    rates = np.linalg.eigvals(mixing @ np.array(columns).T @ mixing)
    assert rates.real.max() == pytest.approx(escape_rate(num_units), rel=1e-6)


def test_the_published_rates():
    assert escape_rate(2) == pytest.approx(4 / (np.pi * np.sqrt(3) * 5**1.5))
    assert escape_rate(3) == pytest.approx(6 / (np.pi * np.sqrt(5) * 7**1.5))


@pytest.mark.parametrize(("num_students", "num_teachers"), [(2, 2), (3, 2), (2, 3)])
def test_the_equations_are_averages_over_inputs(num_students, num_teachers):
    """Loss, mean step and its noise over many inputs, each within 5 standard errors."""
    chance = np.random.default_rng(num_students + 10 * num_teachers)
    num_inputs, number = 5, 2 * 10**5
    students = chance.normal(size=(num_students, num_inputs)) * 0.6
    teachers = np.eye(num_teachers, num_inputs)
    overlaps = overlaps_of(students, teachers)
    inputs = chance.normal(size=(number, num_inputs))
    x, y = inputs @ students.T, inputs @ teachers.T
    error = erf(y / np.sqrt(2)).sum(1) - erf(x / np.sqrt(2)).sum(1)
    pull = np.sqrt(2 / np.pi) * np.exp(-(x**2) / 2) * error[:, None]

    def assert_mean(samples: np.ndarray, expected: np.ndarray) -> None:
        reach = 5 * samples.std(axis=0) / np.sqrt(number)
        assert np.all(np.abs(samples.mean(axis=0) - expected) < reach)

    assert_mean(0.5 * error**2, np.array(loss_of(overlaps)))
    still, noisy = velocity(overlaps, 0.0), velocity(overlaps, 1.0)
    assert_mean(pull[:, :, None] * y[:, None, :], still.teachers)
    turned = pull[:, :, None] * x[:, None, :]
    assert_mean(turned + turned.transpose(0, 2, 1), still.students)
    assert_mean(pull[:, :, None] * pull[:, None, :], noisy.students - still.students)


def test_the_curve_is_gradient_descent_at_small_steps():
    """Descent on the exact loss of two weight vectors; the error is of the order of a step."""
    chance = np.random.default_rng(1)
    students, teachers = 0.3 * chance.normal(size=(2, 4)), np.eye(2, 4)
    start, shift = overlaps_of(students, teachers), 1e-6
    times = np.array([0.0, 1.0, 2.0])
    expected = loss_curve(start, times, 0.0)

    def gradient(weights: np.ndarray) -> np.ndarray:
        found = np.empty_like(weights)
        for place in np.ndindex(weights.shape):
            change = np.zeros_like(weights)
            change[place] = shift
            ends = [loss_of(overlaps_of(weights + s * change, teachers)) for s in (1, -1)]
            found[place] = (ends[0] - ends[1]) / (2 * shift)
        return found

    losses, rate = [loss_of(start)], 0.01
    for i in range(200):
        students = students - rate * gradient(students)
        if i % 100 == 99:
            losses.append(loss_of(overlaps_of(students, teachers)))
    np.testing.assert_allclose(losses, expected, rtol=0.02)
    assert expected[-1] < 0.5 * expected[0]
