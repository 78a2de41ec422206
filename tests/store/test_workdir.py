import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Arm, store
from engine.errors import InputError
from engine.lanes.runs import FinishedRun, Run
from engine.lanes.to_row import outcome_row
from engine.outcomes import DetectorSettings
from engine.outcomes.event import Event
from engine.outcomes.row import CURVE_NAMES
from engine.store import checkpoints, parts, study_file
from engine.store.inventory import extend_manifest
from engine.store.opening import differences
from tests.stored import make_document, make_row


def _document(**identity):
    document = make_document({"b": {"learning_rate": 0.1}, "a": {"learning_rate": 0.1}})
    document["identity"].update(identity)
    return document


def test_rows_come_back_in_the_order_of_the_study(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([make_row("a", 10), make_row("b", 2)])
    workdir.append([make_row("b", 1), make_row("a", 3)])
    table = workdir.read()
    assert list(zip(table["arm"].to_pylist(), table["seed"].to_pylist(), strict=True)) == [
        ("b", 1),
        ("b", 2),
        ("a", 3),
        ("a", 10),
    ]
    assert table["steps"].to_pylist()[0] == [0, 11, 22]
    assert table["fork_step"].null_count == 4
    assert workdir.finished_keys() == {
        (arm, seed, seed, seed, None, None) for arm, seed in (("b", 1), ("b", 2), ("a", 3), ("a", 10))
    }


def test_an_empty_study_has_no_rows(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    assert workdir.read().num_rows == 0
    assert workdir.finished_keys() == set()


def test_parts_open_in_any_reader_with_the_documented_columns(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([make_row("a", 0)])
    (part,) = workdir.parts.glob("*.parquet")
    assert pq.read_table(part).column_names == store.ROW_SCHEMA.names


def test_launches_add_up_on_resume(tmp_path):
    store.create_or_resume(tmp_path / "w", _document())
    again = store.create_or_resume(tmp_path / "w", _document())
    assert len(again.document["launches"]) == 2
    assert len(store.open_existing(tmp_path / "w").document["launches"]) == 2


def test_a_number_that_is_written_in_another_way_is_the_same_study(tmp_path):
    first = _document()
    first["identity"]["detector"]["suddenness_broke"] = 1
    store.create_or_resume(tmp_path / "w", first).append([make_row("a", 0)])
    again = store.create_or_resume(tmp_path / "w", _document())
    again.inspect(pytest.fail)
    again.append([make_row("a", 1)])
    assert store.open_existing(tmp_path / "w").read()["seed"].to_pylist() == [0, 1]


def test_fork_steps_and_forms_may_come_later(tmp_path):
    """They are part of the identity, and rows that were stored before are still of the study."""
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([make_row("a", 0)])
    late = {"fork_step": {"a": 22, "b": None}, "form": {"a": "native", "b": "direct"}}
    workdir.document["identity"].update(late)
    workdir.save_document()
    again = store.create_or_resume(tmp_path / "w", _document(**late))
    again.inspect(pytest.fail)
    assert again.document["identity"]["fork_step"] == late["fork_step"]
    assert len(again.finished_keys()) == 1
    with pytest.raises(InputError, match="fork_step"):
        store.create_or_resume(tmp_path / "w", _document())


def test_another_study_is_refused_with_the_differences_named(tmp_path):
    store.create_or_resume(tmp_path / "w", _document(root_seed=10))
    before = (tmp_path / "w" / "study.json").read_bytes()
    other = _document(root_seed=20, extra=1)
    other["identity"]["arms"]["a"]["learning_rate"] = 0.2
    with pytest.raises(InputError) as caught:
        store.create_or_resume(tmp_path / "w", other)
    for words in ("learning_rate of 'a' was 0.1, is now 0.2", "root_seed was 10, is now 20", "extra is new"):
        assert words in str(caught.value)
    assert (tmp_path / "w" / "study.json").read_bytes() == before


def test_what_has_another_fingerprint_is_named_without_it(tmp_path):
    before, after = ({key: dict.fromkeys("ab", digit * 64) for key in ("model_source", "data")} for digit in "12")
    store.create_or_resume(tmp_path / "w", _document(**before))
    with pytest.raises(InputError) as caught:
        store.create_or_resume(tmp_path / "w", _document(**after))
    assert "the source text of the model of 'a' and 'b' is another" in str(caught.value)
    assert "the data of 'a' and 'b' is another" in str(caught.value)
    assert "1111" not in str(caught.value)


def test_what_is_the_same_of_several_arms_is_said_once(tmp_path):
    def of(rate: float, **widths: int) -> dict:
        document = make_document({name: {"rate": rate} for name in "abc"})
        document["identity"]["width"].update(widths)
        return document

    store.create_or_resume(tmp_path / "w", of(0.1))
    with pytest.raises(InputError) as caught:
        store.refuse_other_study(tmp_path / "w", of(0.2, b=9))
    assert str(caught.value).count("rate") == 1
    assert "rate of 'a' and 2 other arms was 0.1, is now 0.2; width of 'b' was" in str(caught.value)


def test_an_arm_of_one_study_only_is_said_once(tmp_path):
    store.create_or_resume(tmp_path / "w", make_document({"a": {}, "b": {}}))
    with pytest.raises(InputError) as caught:
        store.refuse_other_study(tmp_path / "w", make_document({"a": {}, "c": {}}))
    assert "another study: arm 'c' is new; arm 'b' is missing now. Choose" in str(caught.value)


def test_a_study_of_ones_own_is_not_refused(tmp_path):
    store.refuse_other_study(tmp_path / "w", _document())
    assert not (tmp_path / "w").exists()
    store.create_or_resume(tmp_path / "w", _document())
    store.refuse_other_study(tmp_path / "w", _document())


def test_a_directory_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="neither empty nor a study"):
        store.create_or_resume(tmp_path, _document())
    with pytest.raises(InputError, match="is a file"):
        store.create_or_resume(tmp_path / "thesis.txt", _document())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_was_stored_twice_counts_once(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([make_row("a", 0), make_row("a", 1)])
    workdir.append([make_row("a", 0)])
    assert workdir.read()["seed"].to_pylist() == [0, 1]


def test_parts_that_are_a_file_are_one_clear_error(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "study.json").write_text(json.dumps(_document()))
    (tmp_path / "w" / "parts").write_text("")
    with pytest.raises(InputError, match="cannot use"):
        store.create_or_resume(tmp_path / "w", _document())


def test_a_run_that_failed_once_and_then_came_through_is_the_one_that_came_through(tmp_path):
    """In whichever part it is, and whichever is read first."""
    failed = make_row("a", 0, status="failed", event=0, stop_reason="failed", steps_run=0)
    failed |= dict.fromkeys(CURVE_NAMES) | {"onset_step": None}
    for order in ([failed, make_row("a", 0)], [make_row("a", 0), failed]):
        workdir = store.create_or_resume(tmp_path / order[0]["status"], _document())
        for row in order:
            workdir.append([row])
        (row,) = store.open_existing(workdir.path).read().to_pylist()
        assert row["status"] == "broke"
    workdir = store.create_or_resume(tmp_path / "only", _document())
    workdir.append([failed])
    assert store.open_existing(workdir.path).read()["status"].to_pylist() == ["failed"]
    assert len(workdir.finished_keys()) == 1


def test_every_run_names_the_launch_that_made_it(tmp_path):
    store.create_or_resume(tmp_path / "w", _document()).append([make_row("a", 0)])
    again = store.create_or_resume(tmp_path / "w", _document())
    again.append([make_row("b", 1)])
    again.append([make_row("b", 2)], launch=0)
    again.append([make_row("b", 3)], launch=7)
    launches = store.open_existing(tmp_path / "w").launches_of_runs()
    found = {(key[0], key[1]): launch for key, launch in launches.items()}
    assert found == {("a", 0): 0, ("b", 1): 1, ("b", 2): 0, ("b", 3): None}
    assert launches.keys() == again.finished_keys()


def test_rows_are_split_before_a_part_grows_too_large(tmp_path, monkeypatch):
    """A part holds at most so many bytes of curves, or one run."""
    monkeypatch.setattr(parts, "PART_BYTES", 10_000)
    rows = [make_row("a", seed, num_points=100) for seed in range(7)]
    size = 100 * 16 + 2 * 12 + 1089 * 4
    assert [len(piece) for piece in parts.split(rows)] == [1] * 7
    monkeypatch.setattr(parts, "PART_BYTES", 3 * size)
    assert [len(piece) for piece in parts.split(rows)] == [3, 3, 1]
    assert list(parts.split([])) == []
    workdir = store.create_or_resume(tmp_path / "w", _document(horizons={"a": 1089, "b": 1089}))
    workdir.append(rows)
    assert len(list(workdir.parts.glob("*.parquet"))) == 3
    assert store.open_existing(workdir.path).read()["seed"].to_pylist() == list(range(7))


@pytest.mark.parametrize(
    ("names", "words"), [(["b"], "arm 'b' is new"), (["b", "c", "d"], "arms 'b' and 2 other arms are new")]
)
def test_arms_that_are_new_agree_with_their_number(names: list[str], words: str):
    before, now = {"arms": {"a": {}}}, {"arms": {name: {} for name in ["a", *names]}}
    assert differences(before, now)[0] == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document["study"]["chance_loss"].update(a=np.nan), "chance_loss"),
        (lambda document: document["study"]["chance_loss"].update(a=np.inf), "chance_loss"),
        (lambda document: document["study"]["chance_loss"].update(a=0.0), "chance_loss"),
        (lambda document: document["identity"].update(root_seed=2**64), "64 bits|root_seed"),
        (lambda document: document["study"].update(name="\ud800"), "surrogate"),
        (lambda document: document["study"].update(seeds={}), "study.seeds"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, change, words):
    document = _document()
    change(document)
    with pytest.raises(InputError, match=rf"(?s)study\.json' could not be read again.*({words})"):
        store.create_or_resume(tmp_path / "new", document)
    assert not list((tmp_path / "new").rglob("study*"))
    workdir = store.create_or_resume(tmp_path / "old", _document())
    before = (tmp_path / "old" / "study.json").read_bytes()
    change(workdir.document)
    with pytest.raises(InputError, match="could not be read again"):
        workdir.save_document()
    assert {(tmp_path / "old" / name).read_bytes() for name in study_file.OF_A_LAUNCH} == {before}


def test_a_row_that_could_not_be_read_again_takes_no_other_with_it(tmp_path):
    workdir = store.create_or_resume(tmp_path, _document())
    rows = [make_row("a", seed) for seed in range(4)]
    rows[1]["steps_run"] = 881
    rows[2]["num_breaks"] = -1
    with pytest.raises(InputError, match=r"seed 1 of 'a' \(steps_run: out of range\) and 1 other run could not"):
        workdir.append(rows)
    assert store.open_existing(tmp_path).read()["seed"].to_pylist() == [0, 3]


_LOSSES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(_LOSSES, min_size=2, max_size=81),
    st.floats(1e-300, 1e300),
    st.sampled_from((None, 0, 11, 440, 880)),
    st.sampled_from(list(Event)),
)
def test_whatever_is_detected_can_be_read_again(losses, chance_loss, hitting_step, event):
    loss = np.asarray(losses, np.float32)
    steps = 11 * np.arange(len(loss))
    is_finite = np.isfinite(loss)
    # A run ends where its loss is no number; its curve ends before.
    diverged_step = None if is_finite.all() else max(1, int(steps[np.argmin(is_finite)]))
    kept = slice(0, len(loss) if diverged_step is None else max(1, int(np.argmin(is_finite))))
    run = Run.of_seed("a", Arm(), 0, 880)
    curves = {"loss": loss[kept], "accuracy": np.zeros(len(loss), np.float32)[kept]}
    inspected = {"held_out_accuracy": curves["accuracy"]}
    finished = FinishedRun(
        run, steps[kept], curves, steps[kept], inspected, np.zeros(0), diverged_step, hitting_step, "horizon"
    )
    content = parts.encode([outcome_row(finished, chance_loss, DetectorSettings(), event)], "s", 0)
    assert parts.inspect_content(content, _document(), "s") == (1, 0)


def test_folders_and_what_lists_their_files_survive_a_power_failure(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))

    def has_flushed(folder):
        return folder.stat().st_ino in flushed

    path = tmp_path / "above" / "w"
    with store.hold(path, pytest.fail):
        assert all(map(has_flushed, (tmp_path, path.parent)))
        workdir = store.create_or_resume(path, _document())
        assert has_flushed(path)
        flushed.clear()
        extend_manifest(workdir.parts / "manifest", "0" * 32, 1)
        assert has_flushed(workdir.parts)
        flushed.clear()
        checkpoints.CheckpointFolder(path / "checkpoint", "origin").keep([])
        assert all(map(has_flushed, (path, path / "checkpoint")))
