import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import store
from engine.errors import InputError, StorageError
from engine.store.files import digest
from tests.conftest import plain_document


def _document(**identity):
    return plain_document({name: {"learning_rate": 0.1} for name in ("b", "a")}, **identity)


def _row(arm: str, seed: int, **more):
    seeds = dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed)
    curve = np.arange(3, dtype=np.float32)
    rest = {"status": "broke", "event": 1, "loss": curve, "steps": [0, 1, 2]}
    return {"arm": arm, **seeds, **rest, **more}


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

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
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
    for path, words in ((tmp_path, "neither empty"), (tmp_path / "thesis.txt", "is a file")):
        with pytest.raises(InputError, match=words), store.hold(path, print):
            pytest.fail("held")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_was_only_held_leaves_nothing(tmp_path):
    path = tmp_path / "a" / "b"
    with store.hold(path, print):
        assert (path / "lock").exists()
    assert list(tmp_path.iterdir()) == []


_RACER = """
import sys, time
from pathlib import Path
from engine import store
from engine.errors import InputError, StorageError
path, start, said = Path(sys.argv[1]), float(sys.argv[2]), []
time.sleep(max(0, start - time.time()))
try:
    with store.hold(path, said.append):
        print("held", *said, flush=True)
        sys.stdin.read()
except InputError as error:
    print(error, flush=True)
"""


def _race(path: Path, start: float) -> subprocess.Popen:
    words = [sys.executable, "-c", _RACER, str(path), str(start)]
    environment = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, env=environment, **pipes)


def test_of_many_launches_exactly_one_holds_a_directory(tmp_path):
    racers = [_race(tmp_path / "w", 0.0) for _ in range(4)]
    lines = [racer.stdout.readline() for racer in racers]
    assert sorted(line.split()[0] for line in lines) == ["held", "work", "work", "work"]
    holder = next(r.pid for r, line in zip(racers, lines, strict=True) if line.startswith("held"))
    assert all(f"process {holder}" in line for line in lines if not line.startswith("held"))
    for racer in racers:
        racer.communicate()
    assert not (tmp_path / "w").exists()


def test_the_lock_of_a_dead_process_is_taken_over_and_said(tmp_path):
    racer = _race(tmp_path / "w", 0.0)
    assert racer.stdout.readline().strip() == "held"
    racer.kill()
    racer.communicate()
    said: list[str] = []
    with store.hold(tmp_path / "w", said.append):
        pass
    assert len(said) == 1
    assert f"process {racer.pid}" in said[0]
    assert "taken over" in said[0]


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    for name in (".study.json.x1", "parts/.a.parquet.x2", ".report.html.x3", ".other"):
        (workdir.path / name).write_text("half")
    with store.hold(workdir.path, print):
        left = {path.name for path in workdir.path.rglob(".*")}
    assert left == {".report.html.x3", ".other"}
    assert len(workdir.read()) == 1


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
def test_a_damaged_part_is_named_and_set_aside(tmp_path, damage, capfd):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    (part,) = workdir.parts.iterdir()
    workdir.append([_row("b", 0)])
    content = bytearray(part.read_bytes())
    if damage == "truncate":
        part.write_bytes(content[:-7])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    else:
        foreign = b"not parquet"
        part.unlink()
        part = workdir.parts / f"{digest(foreign)}.parquet"
        part.write_bytes(foreign)
    damaged = {name for name, _ in store.open_existing(workdir.path).damage()}
    assert part.name in damaged
    assert store.open_existing(workdir.path).read().num_rows == 1
    assert part.name in capfd.readouterr().err
    before = part.read_bytes()
    workdir.mend()
    assert workdir.damage() == []
    assert (workdir.path / "damaged" / f"{part.name}.0").read_bytes() == before
    assert workdir.finished_keys() == {("b", 0, 0, 0, None, None)}


def test_a_missing_part_is_named_until_its_runs_are_made_again(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    (part,) = workdir.parts.iterdir()
    part.unlink()
    with open(workdir.path / "manifest", "a") as file:
        file.write("torn")
    assert workdir.damage() == [(part.name, "it is missing")]
    said: list[str] = []
    workdir.mend(said.append)
    assert part.name in said[0]
    assert store.open_existing(workdir.path).damage() == []


def test_parts_of_another_study_are_foreign(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    other = store.create_or_resume(tmp_path / "o", _document(eval_every=2))
    other.append([_row("a", 0)])
    (part,) = other.parts.iterdir()
    (workdir.parts / part.name).write_bytes(part.read_bytes())
    assert workdir.damage() == [(part.name, "it belongs to another study")]
    assert workdir.finished_keys() == set()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arm": "c"}, "arm is unknown"),
        ({"status": "great"}, "status is unknown"),
        ({"event": 7}, "event is unknown"),
        ({"seed": -1}, "seed is negative"),
        ({"init_seed": None}, "init_seed is missing"),
        ({"loss": np.zeros(2, np.float32)}, "loss is not as long"),
        ({"steps": [0, 2, 1]}, "do not increase"),
        ({"steps": None, "loss": None}, "has no curve"),
        ({"onset_step": float("nan")}, "not finite"),
        ({"fork_step": 11}, "fork is incomplete"),
    ],
)
def test_rows_that_make_no_sense_are_left_out(tmp_path, change, reason):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 1), _row("b", 0, steps=[0, 5, 9])])
    workdir.append([{**_row("a", 0), **change}])
    ((_, found),) = store.open_existing(workdir.path).damage()
    assert reason in found


def test_of_a_run_that_failed_once_the_outcome_counts(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    failed = {"status": "failed", "event": 0, "loss": None, "steps": None}
    workdir.append([_row("a", 0, **failed), _row("a", 1, **failed)])
    assert workdir.finished_keys() == set()
    for _ in range(2):
        workdir.append([_row("a", 0)])
        assert workdir.read()["status"].to_pylist() == ["broke", "failed"]
        assert workdir.finished_keys() == {("a", 0, 0, 0, None, None)}


def test_long_rows_have_parts_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.store.parts._PART_BYTES", 2 * 12)
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", seed) for seed in range(5)])
    assert len(list(workdir.parts.iterdir())) == 3
    assert store.open_existing(workdir.path).read()["seed"].to_pylist() == list(range(5))


def test_a_part_that_claims_too_much_is_not_read(tmp_path, monkeypatch):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    monkeypatch.setattr("engine.store.parts._MAX_DECODED_BYTES", 100)
    ((_, reason),) = store.open_existing(workdir.path).damage()
    assert "more than a part may" in reason


def test_which_launch_made_a_run(tmp_path):
    store.create_or_resume(tmp_path / "w", _document()).append([_row("a", 0)])
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 1)])
    launches = workdir.launches_of_runs()
    assert {key[1]: launch for key, launch in launches.items()} == {0: 0, 1: 1}


@pytest.mark.parametrize("seed", range(24))
def test_a_document_with_a_flipped_bit_or_a_missing_end_is_found(tmp_path, seed, capfd):
    """The second copy serves then; without it nothing is read."""
    workdir = store.create_or_resume(tmp_path / "w", _document())
    before = store.open_existing(workdir.path).document
    path = workdir.path / "study.json"
    content, draw = bytearray(path.read_bytes()), np.random.default_rng(seed)
    place = int(draw.integers(len(content) - 1))
    if seed % 2:
        content[place] ^= 1 << int(draw.integers(8))
    else:
        del content[place:]
    path.write_bytes(content)
    found = store.open_existing(workdir.path)
    assert found.document == before
    if found.is_restored:
        assert "second copy is used" in capfd.readouterr().err
        (workdir.path / "study.json.bak").unlink()
        with pytest.raises(InputError, match="damaged"):
            store.open_existing(workdir.path)


def test_a_damaged_document_is_set_aside_by_the_next_launch(tmp_path):
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([_row("a", 0)])
    (workdir.path / "study.json").write_text("half")
    again = store.create_or_resume(workdir.path, _document())
    assert len(again.document["launches"]) == 2
    assert (workdir.path / "damaged" / "study.json.0").read_text() == "half"
    assert not store.open_existing(workdir.path).is_restored


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("launches",), []),
        (("arm_order",), ["a"]),
        (("study", "baseline"), "c"),
        (("study", "seeds", "a"), "3"),
        (("study", "chance_loss"), {}),
        (("identity", "horizons", "a"), -1),
        (("identity", "horizons", "a"), 10**30),
        (("identity", "eval_every"), True),
        (("identity", "detector"), {"window": 3}),
        (("identity", "arms", "a"), {"exec": "rm"}),
        (("looks",), [1]),
    ],
)
def test_a_document_with_a_surprise_is_one_clear_error(tmp_path, where, value):
    document = _document()
    *path, last = where
    inner = document
    for name in path:
        inner = inner[name]
    inner[last] = value
    document["schema_version"] = 3
    (tmp_path / "study.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="damaged, or not one of"):
        store.open_existing(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"a": 1, "a": 2}', '{"a": NaN}', "1" * 5000, '"' + "x" * 2**21 + '"']
)
def test_json_of_strangers_is_one_clear_error(tmp_path, text, monkeypatch):
    monkeypatch.setattr("engine.store.files.MAX_JSON_BYTES", 2**20)
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(InputError, match="damaged"):
        store.open_existing(tmp_path)


@pytest.mark.parametrize("name", ["parts", "figures", "checkpoint", "damaged"])
def test_folders_that_lead_elsewhere_are_refused(tmp_path, name):
    store.create_or_resume(tmp_path / "w", _document())
    (tmp_path / "home").mkdir()
    inside = tmp_path / "w" / name
    if inside.exists():
        inside.rmdir()
    inside.symlink_to(tmp_path / "home")
    with pytest.raises(InputError, match="symbolic link"):
        store.open_existing(tmp_path / "w")


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
    for arm in document["identity"]["arms"].values():
        del arm["gradient_noise"]
    for name in ("design", "order_seeds", "fork_step"):
        del document["identity"][name]
    for name in ("event", "forks"):
        del document["study"][name]
    document["study"]["seeds"] = dict.fromkeys(names, 3)
    (tmp_path / "parts").mkdir()
    (tmp_path / "study.json").write_text(json.dumps(document))
    old = [f for f in store.ROW_SCHEMA if f.name not in ("hitting_step", "onset_accuracy")]
    row = _row(names[0], 0)
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
