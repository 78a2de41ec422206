"""The table of finished runs that everything after training shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import store
from engine.errors import InputError
from engine.outcomes import DetectorSettings
from engine.outcomes.curve_columns import columns_of_break, detect_again
from engine.outcomes.event import Event
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


def _detected(seed, centre, accuracy=True, **changes):
    """A row as a worker makes it, of a curve that breaks at a step or never."""
    steps = np.arange(0, 891, 11)
    rho = 0.9 / (1 + np.exp(-(steps - centre) / 20))
    loss = (np.log(10) * (1 - rho)).astype(np.float32)
    curves = {"loss": loss, **({"accuracy": rho.astype(np.float32)} if accuracy else {})}
    found = columns_of_break(steps, curves, float(np.log(10)), DetectorSettings(), None, "horizon")
    seeds = dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed)
    return {"arm": "a", **seeds, "chance_loss": float(np.log(10)), "steps": steps, **curves, **found, **changes}


def _table_of(path, rows, **code):
    document = make_document({"a": {}}, horizon=1000)
    document["launches"][0]["code"] |= code
    store.create_or_resume(path, document).append(rows)
    return RunTable(store.open_existing(path))


def test_outcomes_of_other_code_are_found_again_from_the_curves(tmp_path):
    rows = [_detected(seed, centre) for seed, centre in enumerate((200, 400, 5000))] + [_detected(3, 300, False)]
    table = _table_of(tmp_path / "same", rows, digest="0" * 64)
    assert (table.num_looked_at, table.changed) == (4, [])
    wrong = [
        {**rows[0], "onset_step": 500.0},
        {**rows[1], "status": "stuck", "event": 0, "onset_step": None},
        *rows[2:],
    ]
    table = _table_of(tmp_path / "changed", wrong, digest="0" * 64)
    assert table.changed == [0, 1]
    expected = [(row["status"], row["onset_step"], row["end_accuracy"]) for row in rows]
    found = table.outcomes.select(["status", "onset_step", "end_accuracy"]).to_pylist()
    assert [tuple(row.values()) for row in found] == expected
    # What the present code made is believed.
    assert _table_of(tmp_path / "own", wrong).outcomes["onset_step"][0].as_py() == 500.0


def test_a_divergence_in_training_stays_one_and_one_that_was_read_from_the_curve_is_read_again(tmp_path):
    cut = _detected(0, 200, stop_reason="diverged", status="diverged", event=2, steps_run=900)
    found = columns_of_break(
        cut["steps"], {"loss": cut["loss"]}, float(np.log(10)), DetectorSettings(), 900.0, "horizon"
    )
    cut |= {**found, "accuracy": None}
    read = _detected(1, 5000, stop_reason="diverged", status="diverged", event=2, steps_run=440)
    table = _table_of(tmp_path / "w", [cut, read], digest="0" * 64)
    assert table.changed == [1]
    assert table.outcomes["status"].to_pylist() == [found["status"], "stuck"]
    assert table.outcomes["stop_reason"].to_pylist() == ["diverged", None]
    assert table.outcomes["steps_run"].to_pylist() == [900, 880]


def test_a_curve_that_no_detector_takes_keeps_its_outcome(tmp_path):
    row = make_row("a", 0, chance_loss=0.0)
    table = _table_of(tmp_path / "w", [row], digest="0" * 64)
    assert (table.num_looked_at, table.changed) == (1, [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 20, width=32), min_size=2, max_size=40), st.floats(1e-3, 1e3))
def test_the_same_code_finds_the_same_again(losses, chance):
    steps = np.arange(len(losses)) * 11
    curves = {"loss": np.asarray(losses, np.float32)}
    found = columns_of_break(steps, curves, chance, DetectorSettings(), None, "horizon")
    row = {**row_of_schema(), **found, "chance_loss": chance, "steps": steps, **curves}
    assert detect_again(row, Event.BREAK, int(steps[-1]), DetectorSettings()) == {}
