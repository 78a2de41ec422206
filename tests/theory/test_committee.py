"""Reading a symmetric plateau off a curve, and what is refused."""

import dataclasses

import numpy as np
import pytest

from engine.studies.shipped import EXPERIMENTS
from engine.theory import committee
from engine.theory.comparison import Measured, MeasuredCurve
from engine.theory.order_parameters import escape_rate, loss_curve, overlaps_of, plateau_height
from tests.conftest import drain, runs_of
from tests.theory.measuring import planted

ARMS = EXPERIMENTS.load("committee").study().arms


def solution(num_units: int, seed: int, scale: float = 0.003) -> tuple[np.ndarray, np.ndarray]:
    """Times and loss from a random start, without noise."""
    chance, times = np.random.default_rng(seed), np.arange(0, 300, 0.5)
    students = scale * chance.normal(size=(num_units, 16))
    return times, loss_curve(overlaps_of(students, np.eye(num_units, 16)), times, 0.0)


def measured(arm, times: np.ndarray, losses: np.ndarray) -> Measured:
    steps = np.round(times / arm.learning_rate).astype(int)
    return planted(arm, {"loss": MeasuredCurve(steps, losses)}, chance_loss=1 / 3)


@pytest.mark.parametrize("num_units", [2, 3])
def test_the_rules_find_the_closed_forms_on_the_equations(num_units):
    """Runs that leave early are off by more, and so are those with three units."""
    found = [committee.find_escape(*solution(num_units, seed), num_units) for seed in range(4)]
    heights = np.array([escape.height for escape in found]) / plateau_height(num_units)
    rates = np.array([escape.rate for escape in found]) / escape_rate(num_units)
    np.testing.assert_allclose(heights, 1.0, atol=5e-4)
    np.testing.assert_allclose(rates, 1.0, atol=0.04 if num_units == 2 else 0.06)
    assert rates.mean() == pytest.approx(1.0, abs=0.01 if num_units == 2 else 0.03)


def test_a_planted_plateau_is_found():
    times = np.arange(0, 200, 0.5)
    level = 1.01 * plateau_height(2)
    fall = 0.8 / (1 + np.exp(-0.2 * (times - 120)))
    found = committee.find_escape(times, level * (1 - fall) + np.exp(-3 * times), 2)
    assert found.height == pytest.approx(level, rel=1e-4)
    assert found.rate == pytest.approx(0.1, rel=1e-3)
    # Half of the known height is 0.505 of this one.
    assert found.half_time == pytest.approx(120 + np.log(0.495 / 0.305) / 0.2, abs=4)


@pytest.mark.parametrize("loss", [np.full(50, 0.3), np.full(50, 1e-6), np.linspace(0.3, 0, 50)])
def test_a_curve_without_the_plateau_says_nothing_of_it(loss):
    found = committee.find_escape(np.arange(50.0), loss, 2)
    assert np.isnan(found.rate)


def test_an_arm_is_only_held_against_what_holds_for_it():
    arm = ARMS["K=2"]
    times = np.arange(0, 180, 0.5)
    flat = np.full((2, len(times)), 0.3)
    predict = lambda arm: committee.predict({"a": measured(arm, times, flat)})  # noqa: E731
    assert len(predict(arm).checks) == 3
    noisy = predict(dataclasses.replace(arm, batch_size=1))
    assert [check.quantity[:4] for check in noisy.checks] == ["time"]
    assert "too large" in noisy.notes[0]
    for fields, words in (
        ({"student_units": 3}, "student_units=3"),
        ({"momentum": 0.9}, "momentum=0.9"),
        ({"teacher_units": 1, "student_units": 1}, "teacher_units=1"),
    ):
        other = predict(dataclasses.replace(arm, **fields))
        assert not other.checks
        assert words in other.notes[0]


def test_a_run_is_predicted_from_its_own_start(make_pool):
    """The loss that the equations have at the start is the one that the engine measures there."""
    arm = dataclasses.replace(ARMS["K=3"], init_scale=0.4, batch_size=64)
    done = drain(make_pool(arm), runs_of(arm, [0, 5], horizon=11), 4)
    losses = np.array([done["arm", seed].curves["loss"][:1] for seed in (0, 5)])
    given = measured(arm, np.zeros(1), losses)._replace(init_seed=np.array([0, 5]))
    (curve,) = committee.predict({"a": given}).curves
    # The targets of the 32,768 evaluation examples are spread evenly; the student's are not.
    np.testing.assert_allclose(losses, curve.values, rtol=0.03)
    assert abs(losses[0, 0] - losses[1, 0]) > 0.03 * losses[0, 0]
