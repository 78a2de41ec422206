"""The table of finished runs that everything after training shares."""

import numpy as np
import pytest

from engine import store
from engine.errors import InputError
from engine.outcomes.row import CURVE_NAMES
from engine.outcomes.row import make_row as row_of_schema
from engine.store.run_table import RunTable
from engine.studies.designs import FIRST_GRID_SEED
from tests.stored import make_document, make_row

FAILED = {"status": "failed", "event": 0, "stop_reason": "failed", "steps_run": 0, "onset_step": None}


@pytest.fixture
def directory(tmp_path):
    """Two launches: repetitions, a run of a grid, a fork, and a run that failed and then came through."""
    document = make_document({"b": {}, "a": {}})
    failed = {**FAILED, **dict.fromkeys(CURVE_NAMES)}
    first = store.create_or_resume(tmp_path / "w", document)
    first.append([make_row("a", 1), make_row("a", 0), make_row("b", 0, **failed)])
    second = store.create_or_resume(tmp_path / "w", document)
    second.append([make_row("b", 0, num_points=4), make_row("b", 1, **failed), make_row("a", 0)])
    second.append([make_row("a", 0, order_seed=FIRST_GRID_SEED, noise_seed=FIRST_GRID_SEED)])
    second.append([make_row("a", 0, fork_step=11, fork_order_seed=2**31, onset_step=None, hitting_step=20)])
    return store.open_existing(tmp_path / "w")


def test_every_run_is_there_once_by_arm_and_seeds(directory):
    table = RunTable(directory)
    assert table.arm.tolist() == ["b", "b", "a", "a", "a", "a"]
    assert table.seed.tolist() == [0, 1, 0, 0, 0, 1]
    assert table.has_outcome.tolist() == [True, False, True, True, True, True]
    assert table.is_repetition.tolist() == [True, True, True, False, False, True]
    assert table.event.tolist() == [1, 0, 1, 1, 1, 1]
    assert table.waiting_time.tolist() == [16.5, 0, 11, 20, 11, 11]
    assert table.launches == [1, 1, 1, 1, 1, 0]
    assert table.outcomes.column_names == store.OUTCOME_SCHEMA.names
    assert set(table.keys) == directory.finished_keys()
    assert len(table) == 6


def test_rows_of_an_arm_are_chosen_by_a_mask_or_by_number(directory):
    table = RunTable(directory)
    repetitions = table.is_of("a") & table.is_repetition
    assert table.columns(repetitions)["seed"] == [0, 1]
    assert table.columns(np.array([5, 2]))["seed"] == [1, 0]
    with pytest.raises(InputError, match="unknown arm 'c'"):
        table.is_of("c")


def test_curves_are_read_of_chosen_runs_each_once(directory):
    table = RunTable(directory)
    found = {curve.row: curve for curve in table.curves("loss", table.is_repetition)}
    assert sorted(found) == [0, 2, 5]
    assert found[0].steps.tolist() == [0, 11, 22, 33]
    assert found[0].values.dtype == np.float32
    assert len(list(table.curves("loss", table.is_of("a") & ~table.is_repetition))) == 2
    (inspected,) = table.curves("held_out_accuracy", table.is_of("b"))
    assert inspected.steps.tolist() == [0, 33]
    batches = next(table.curves("batch_loss", table.is_of("b")))
    assert batches.steps.tolist() == list(range(33))
    assert list(table.curves("average_loss", table.has_outcome)) == []
    with pytest.raises(InputError, match=r"unknown metric 'los'.*'loss'"):
        list(table.curves("los", table.has_outcome))


def test_a_study_without_runs_has_an_empty_table(tmp_path):
    table = RunTable(store.create_or_resume(tmp_path, make_document({"a": {}})))
    assert len(table) == 0
    assert table.is_of("a").tolist() == table.is_repetition.tolist() == table.launches == []
    assert list(table.curves("loss", table.has_outcome)) == []


def test_a_row_has_every_column_and_no_other():
    row = row_of_schema(arm="a", seed=3)
    assert list(row) == store.ROW_SCHEMA.names
    assert (row["arm"], row["seed"], row["loss"]) == ("a", 3, None)
    with pytest.raises(ValueError, match="unknown columns of a row: lss, sed"):
        row_of_schema(arm="a", sed=3, lss=[])
