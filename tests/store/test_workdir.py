import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import store
from engine.errors import InputError
from engine.store import files


def _document(**identity):
    return {
        "schema_version": store.SCHEMA_VERSION,
        "identity": {"arms": {"a": {"learning_rate": 0.1}}, **identity},
        "arm_order": ["b", "a"],
        "study": {"name": "x"},
        "launches": [{"started": "now"}],
    }


def _row(arm: str, seed: int, **more):
    seeds = dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed)
    curve = np.arange(3, dtype=np.float32)
    return {"arm": arm, **seeds, "status": "broke", "loss": curve, "steps": [0, 1, 2], **more}


def test_rows_come_back_in_the_order_of_the_study(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 10), _row("b", 2)])
    workdir.append([_row("b", 1), _row("a", 3)])
    table = workdir.read()
    assert list(zip(table["arm"].to_pylist(), table["seed"].to_pylist(), strict=True)) == [
        ("b", 1),
        ("b", 2),
        ("a", 3),
        ("a", 10),
    ]
    assert table["loss"].to_pylist()[0] == [0.0, 1.0, 2.0]
    assert table["fork_step"].null_count == 4
    assert workdir.finished_keys() == {
        (arm, seed, seed, seed, None, None)
        for arm, seed in (("b", 1), ("b", 2), ("a", 3), ("a", 10))
    }


def test_an_empty_study_has_no_rows(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    assert workdir.read().num_rows == 0
    assert workdir.finished_keys() == set()


def test_nothing_is_left_behind_when_a_write_fails(tmp_path, monkeypatch):
    workdir = store.create_or_resume(tmp_path / "w", _document())

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        workdir.append([_row("a", 0)])
    assert list(workdir.parts.iterdir()) == []


def test_parts_open_in_any_reader_with_the_documented_columns(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    (part,) = workdir.parts.iterdir()
    assert pq.read_table(part).column_names == store.ROW_SCHEMA.names


def test_launches_add_up_on_resume(tmp_path):
    store.create_or_resume(tmp_path / "w", _document())
    again = store.create_or_resume(tmp_path / "w", _document())
    assert len(again.document["launches"]) == 2
    assert len(store.open_existing(tmp_path / "w").document["launches"]) == 2


def test_another_study_is_refused_with_the_differences_named(tmp_path):
    store.create_or_resume(tmp_path / "w", _document(horizon=10))
    before = (tmp_path / "w" / "study.json").read_bytes()
    other = _document(horizon=20, extra=1)
    other["identity"]["arms"]["a"]["learning_rate"] = 0.2
    with pytest.raises(InputError) as caught:
        store.create_or_resume(tmp_path / "w", other)
    for words in ("learning_rate was 0.1, is now 0.2", "horizon was 10, is now 20", "extra is new"):
        assert words in str(caught.value)
    assert (tmp_path / "w" / "study.json").read_bytes() == before


def test_a_directory_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="neither empty nor a study"):
        store.create_or_resume(tmp_path, _document())
    with pytest.raises(InputError, match="is a file"):
        store.create_or_resume(tmp_path / "thesis.txt", _document())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"schema_version": 2}', b"\xff\x00"]
)
def test_a_damaged_document_is_one_clear_error(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        store.open_existing(tmp_path)


def test_a_later_schema_is_refused(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps({**_document(), "schema_version": 99}))
    with pytest.raises(InputError, match="schema version 99"):
        store.open_existing(tmp_path)


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign"])
def test_a_damaged_part_is_named(tmp_path, damage):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    (part,) = workdir.parts.iterdir()
    content = bytearray(part.read_bytes())
    if damage == "truncate":
        part.write_bytes(content[:-7])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    else:
        foreign = b"not parquet"
        part.unlink()
        part = workdir.parts / f"{files.digest(foreign)}.parquet"
        part.write_bytes(foreign)
    with pytest.raises(InputError, match=part.name):
        workdir.read()


def test_a_run_that_was_stored_twice_counts_once(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0), _row("a", 1)])
    workdir.append([_row("a", 0)])
    assert workdir.read()["seed"].to_pylist() == [0, 1]


def test_parts_that_are_a_file_are_one_clear_error(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "study.json").write_text(json.dumps(_document()))
    (tmp_path / "w" / "parts").write_text("")
    with pytest.raises(InputError, match="cannot use"):
        store.create_or_resume(tmp_path / "w", _document())


def test_a_study_of_version_2_is_read_as_one_of_now(tmp_path):
    """Without designs, with breaks only, and with parts that lack the newer columns."""
    document = _document()
    document["schema_version"] = 2
    names = document["arm_order"]
    document["identity"]["arms"] = {name: {"model": "mlp"} for name in names}
    document["study"]["seeds"] = dict.fromkeys(names, 3)
    (tmp_path / "parts").mkdir()
    (tmp_path / "study.json").write_text(json.dumps(document))
    old = [f for f in store.ROW_SCHEMA if f.name not in ("hitting_step", "onset_accuracy")]
    row = {"arm": names[0], "seed": 0, "init_seed": 0, "order_seed": 0, "noise_seed": 0}
    table = pa.Table.from_pylist([row], schema=pa.schema(old))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    name = hashlib.sha256(buffer.getvalue()).hexdigest()[:32]
    (tmp_path / "parts" / f"{name}.parquet").write_bytes(buffer.getvalue())

    directory = store.open_existing(tmp_path)
    assert directory.document["schema_version"] == store.SCHEMA_VERSION
    assert directory.document["identity"]["design"] == "seeds"
    assert directory.document["study"]["event"] == dict.fromkeys(names, "break")
    assert directory.document["study"]["forks"] is None
    (read,) = directory.read().to_pylist()
    assert read["seed"] == 0
    assert read["hitting_step"] is None


def test_waiting_times_are_of_the_event_or_of_the_end():
    rows = {
        "onset_step": [5.5, None, None],
        "hitting_step": [None, 7, None],
        "steps_run": [44, 7, 44],
        "event": [1, 1, 0],
    }
    assert store.waiting_times(rows).tolist() == [5.5, 7.0, 44.0]
