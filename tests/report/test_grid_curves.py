"""Curves of a crossed grid, apart from those of the repetitions."""

import numpy as np
import pytest

from engine import store
from engine.arms.arm import identity_fields
from engine.errors import InputError
from engine.report.arm_runs import read_runs
from engine.report.curves import read_arm_curves, read_grid_curves
from engine.store.run_table import RunTable
from engine.studies.designs import FIRST_GRID_SEED
from engine.studies.shipped import EXPERIMENTS
from engine.theory import THEORIES
from engine.theory.section import measure_arm
from tests.stored import make_document, make_row

LAST = 22


def cells(num_starts: int, num_orders: int) -> list[dict]:
    """Rows of a grid whose last accuracy names the cell."""
    found = []
    for init in range(num_starts):
        for order in range(num_orders):
            named = {
                "order_seed": FIRST_GRID_SEED + order,
                "noise_seed": FIRST_GRID_SEED + init * num_orders + order,
                "accuracy": np.array([0.0, 0.0, init + order / 10], np.float32),
            }
            found.append(make_row("n=20", init, **named))
    return found


@pytest.fixture
def directory(tmp_path):
    """Three repetitions and their grid of two orders, in which the last run is not there yet."""
    arm = EXPERIMENTS.load("sparse_parity").study().arms["n=20"]
    fields = {"n=20": identity_fields(arm)}
    document = make_document(fields, LAST, 3, name="test", question="?", baseline="n=20")
    document["study"]["theory"] = "sparse_parity"
    document["identity"]["order_seeds"] = 2
    made = store.create_or_resume(tmp_path / "study", document)
    made.append([*(make_row("n=20", seed) for seed in range(3)), *cells(3, 2)[:-1]])
    return made


def test_a_grid_is_read_by_start_and_order(directory):
    found = read_grid_curves(RunTable(directory), "n=20", "accuracy")
    np.testing.assert_array_equal(found.init_seed, [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(found.order, [0, 1, 0, 1, 0])
    np.testing.assert_allclose(found.values[:, -1], [0, 0.1, 1, 1.1, 2], atol=1e-6)
    assert read_arm_curves(RunTable(directory), "n=20", "accuracy").values.shape == (3, 3)
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        read_grid_curves(RunTable(directory), "n=20", "acuracy")


def test_a_theory_is_given_the_starts_that_are_complete(directory):
    (runs,) = read_runs(RunTable(directory)).values()
    measured = measure_arm(RunTable(directory), THEORIES.load("sparse_parity"), runs)
    assert measured.num_runs == 3
    assert measured.grid is not None
    np.testing.assert_array_equal(measured.grid.init_seed, [0, 0, 1, 1])
    assert measured.grid.curves["accuracy"].values.shape == (4, 3)
