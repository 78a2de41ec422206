"""Times to 99 % accuracy, and shares of their variance, with planted curves."""

import dataclasses

import numpy as np
import pytest

from engine.studies.shipped import EXPERIMENTS
from engine.theory import sparse_parity
from engine.theory.comparison import Measured, MeasuredCurve, MeasuredGrid
from tests.theory.measuring import planted

ARMS = EXPERIMENTS.load("sparse_parity").study().arms
STEPS = np.arange(0, 2001, 20)


def curve(times: np.ndarray) -> MeasuredCurve:
    """Half right before, all right from each time on."""
    return MeasuredCurve(STEPS, np.where(times[:, None] <= STEPS, 1.0, 0.5))


def measured(times: np.ndarray, grid: MeasuredGrid | None = None, **fields: object) -> Measured:
    arm = dataclasses.replace(ARMS["n=20"], **fields)  # type: ignore[arg-type]
    return planted(arm, {"accuracy": curve(times)}, 1.0, grid=grid)


def planted_grid(of_init: float, of_order: float) -> MeasuredGrid:
    chance = np.random.default_rng(0)
    init, order = np.divmod(np.arange(60), 5)
    log = of_init * chance.normal(size=12)[init] + of_order * chance.normal(size=5)[order]
    times = 700 * np.exp(log + 0.11 * chance.normal(size=60))
    return MeasuredGrid({"accuracy": curve(times)}, init, order)


def test_a_run_is_solved_when_it_is_right_and_else_censored_where_it_ends():
    runs = measured(np.array([60.0, 700.0, 9999.0]))
    values = runs.curves["accuracy"].values.copy()
    values[2, 50:] = np.nan
    runs = runs._replace(curves={"accuracy": MeasuredCurve(STEPS, values)})
    time, event = sparse_parity.solving_times(runs)
    np.testing.assert_array_equal(time, [60, 700, 980])
    np.testing.assert_array_equal(event, [1, 1, 0])


@pytest.mark.parametrize(
    ("times", "grid", "missed"),
    [
        (np.full(24, 700.0), planted_grid(0.18, 0.0), []),
        (np.full(24, 880.0), None, ["median"]),
        (np.where(np.arange(24) < 20, 700.0, 9999.0), None, ["share of runs"]),
        (np.full(24, 700.0), planted_grid(0.0, 0.18), ["start", "data order"]),
    ],
)
def test_what_is_off_is_found(times, grid, missed):
    checks = sparse_parity.predict({"n=20": measured(times, grid)}).checks
    assert len(checks) == (2 if grid is None else 4)
    found = [check.quantity for check in checks if not check.is_met]
    assert len(found) == len(missed)
    for quantity, words in zip(found, missed, strict=True):
        assert words in quantity


def test_growth_is_said_and_not_bounded():
    of_forty = measured(np.full(24, 1400.0), num_inputs=40)
    prediction = sparse_parity.predict({"a": measured(np.full(24, 700.0)), "b": of_forty})
    assert [check.arm for check in prediction.checks] == ["a", "a", "b"]
    assert "n^1.00" in prediction.notes[-1]


@pytest.mark.parametrize("fields", [{"init": "he"}, {"parity_size": 2}, {"learning_rate": 0.05}])
def test_an_arm_with_another_set_up_is_not_compared(fields):
    prediction = sparse_parity.predict({"a": measured(np.full(24, 700.0), **fields)})
    assert not prediction.checks
    [(field, value)] = fields.items()
    assert f"“a” is not compared: this theory holds for {field} " in prediction.notes[0]
    assert f"not for {field}={value}" in prediction.notes[0]
