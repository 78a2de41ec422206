"""Parts that are damaged, foreign, missing, or larger than anything of ours."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import store
from engine.store import inventory, parts
from engine.store.files import digest
from tests.stored import make_document, make_row


def _document(**identity):
    document = make_document({"a": {"learning_rate": 0.1}, "b": {"learning_rate": 0.2}})
    document["identity"].update(identity)
    return document


@pytest.fixture
def workdir(tmp_path):
    """Two parts of two runs each."""
    workdir = store.create_or_resume(tmp_path / "w", _document())
    workdir.append([make_row("a", 0), make_row("b", 0)])
    workdir.append([make_row("a", 1), make_row("b", 1)])
    return workdir


def _put(workdir, content, name=None):
    path = workdir.parts / f"{name or digest(content)}.parquet"
    path.write_bytes(content)
    return path


def _encoded(rows, document=None):
    return parts.encode(rows, parts.fingerprint((document or _document())["identity"]), 0)


def _keys(workdir):
    return sorted((key[0], key[1]) for key in store.open_existing(workdir.path).finished_keys())


_ALL = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def _listed(workdir):
    return set(inventory.read_manifest(workdir.parts / "manifest"))


def _damage(workdir, kind):
    """Damages the part of the first runs; its name, and a word of the reason."""
    first = next(p for p in workdir.parts.glob("*.parquet") if 0 in pq.read_table(p)["seed"].to_pylist())
    content = first.read_bytes()
    if kind == "gone":
        first.unlink()
        return first, "missing"
    if kind == "truncated":
        first.write_bytes(content[:-7])
    elif kind == "flipped":
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        first.write_bytes(flipped)
    elif kind == "empty":
        first.write_bytes(b"")
    elif kind == "folder":
        first.unlink()
        first.mkdir()
        return first, "plain file"
    elif kind == "pipe":
        first.unlink()
        os.mkfifo(first)
        return first, "plain file"
    return first, "bytes do not match"


@pytest.mark.parametrize("kind", ["gone", "truncated", "flipped", "empty", "folder", "pipe"])
def test_a_reader_leaves_a_damaged_part_out_and_a_launch_sets_it_aside(workdir, caplog, kind):
    path, reason = _damage(workdir, kind)
    before = sorted(str(p) for p in workdir.path.rglob("*"))
    reader = store.open_existing(workdir.path)
    for _ in range(2):
        assert reader.read()["seed"].to_pylist() == [1, 1]
    assert len(list(reader.iterate(["seed"]))) == 1
    assert reader.num_left_out == 1
    (line,) = caplog.messages
    assert str(path) in line
    assert reason in line
    assert sorted(str(p) for p in workdir.path.rglob("*")) == before

    notes = []
    launch = store.create_or_resume(workdir.path, _document())
    launch.inspect(notes.append)
    (note,) = notes
    assert str(path) in note
    assert reason in note
    assert launch.finished_keys() == {("a", 1, 1, 1, None, None), ("b", 1, 1, 1, None, None)}
    assert launch.num_left_out == 0
    assert os.path.lexists(workdir.path / "damaged" / path.name) == (kind != "gone")
    assert not os.path.lexists(path)
    assert len(_listed(workdir)) == 1
    launch.append([make_row("a", 0), make_row("b", 0)])
    launch.inspect(pytest.fail)
    assert _keys(workdir) == _ALL


def test_parts_that_are_not_of_this_study_are_set_aside(workdir):
    """Of another study, of an arm or a column that it does not have, or no Parquet at all."""
    other = _document(root_seed=7)
    foreign = {
        "another study": _encoded([make_row("a", 2)], other),
        "an arm that the study does not have": _encoded([make_row("c", 2)]),
        "not a part": b"not parquet, and long enough to be some",
        "not the columns of a part: too many or too few": _table_of(extra=[1.0]),
        "not the columns of a part: 'seed'": _table_of(seed=["0"]),
    }
    for content in foreign.values():
        _put(workdir, content)
    notes = []
    workdir.inspect(notes.append)
    for reason in foreign:
        assert sum(reason in note for note in notes) == 1, notes
    assert len(notes) == len(foreign) == len(os.listdir(workdir.path / "damaged"))
    assert _keys(workdir) == _ALL


def _table_of(**columns):
    table = pa.Table.from_pylist([make_row("a", 2)], schema=store.ROW_SCHEMA)
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.append_column(name, [values]) if index < 0 else table.set_column(index, name, [values])
    return _written(table)


def _written(table, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "zstd", **options})
    return sink.getvalue().to_pybytes()


_STEPS = np.arange(3) * 11
_WRONG_ROWS = {
    "status: unknown": {"status": "brok"},
    "status: null": {"status": None},
    "status: not UTF-8": {},
    "event: of another status": {"event": 0},
    "event: unknown": {"event": 3},
    "stop_reason": {"stop_reason": "bored"},
    "seed: negative": {"seed": -1},
    "seed: more than memory": {"seed": 2**40},
    "seed: null": {"seed": None},
    "order_seed": {"order_seed": 2**32},
    "fork without order": {"fork_step": 11},
    "steps_run: null": {"steps_run": None},
    "steps_run: beyond the horizon": {"steps_run": 881},
    "onset: NaN": {"onset_step": float("nan")},
    "onset: infinite": {"onset_step": float("inf")},
    "onset: negative": {"onset_step": -0.5},
    "hitting_step": {"hitting_step": 2**62},
    "width_steps": {"width_steps": 1e300},
    "steps: null": {"steps": None},
    "steps: empty": {"steps": [], "loss": [], "accuracy": []},
    "steps: falling": {"steps": [0, 22, 11]},
    "steps: equal": {"steps": [0, 11, 11]},
    "steps: negative": {"steps": [-11, 0, 11]},
    "steps: beyond the horizon": {"steps": [0, 11, 881]},
    "steps: with a null": {"steps": [0, None, 22]},
    "loss: shorter": {"loss": [1.0, 2.0]},
    "loss: longer": {"loss": [1.0, 2.0, 3.0, 4.0]},
    "loss: with a null": {"loss": [1.0, None, 3.0]},
    "accuracy: shorter": {"accuracy": [1.0]},
    "inspected: shorter": {"held_out_accuracy": [1.0]},
    "inspected: steps only elsewhere": {"average_loss": [1.0, 2.0, 3.0]},
    "batch_loss: longer than the run can be": {"batch_loss": np.zeros(881)},
    "batch_loss: with a null": {"batch_loss": [None]},
}


@pytest.mark.parametrize("name", _WRONG_ROWS)
def test_a_row_that_no_run_can_have_makes_its_part_a_foreign_one(workdir, name):
    content = _encoded([make_row("b", 2), make_row("a", 2, **_WRONG_ROWS[name]), make_row("b", 3)])
    if "UTF-8" in name:
        plain = [make_row("a", 2, status="br\N{LATIN SMALL LETTER U WITH DIAERESIS}ke")]
        content = _encoded(plain).replace(b"br\xc3\xbcke", b"br\xff\xffke")
    _put(workdir, content)
    notes = []
    workdir.inspect(notes.append)
    assert len(notes) == 1
    assert _keys(workdir) == _ALL


def test_every_kind_of_run_is_plausible(workdir, caplog):
    """Null where a run may have nothing, and the largest seeds that a design gives out."""
    runs = [
        make_row("a", 2, stop_reason=None, status="stuck", event=0, onset_step=None),
        make_row("a", 3, status="diverged", event=2, stop_reason="diverged", loss=[np.nan] * 3),
        make_row("a", 4, num_points=1, inspected_steps=[0], held_out_accuracy=None),
        make_row("a", 5, fork_step=440, fork_order_seed=2**32 - 1, stop_reason="hit"),
        make_row("a", 6, order_seed=2**30 + 4, noise_seed=2**31, end_loss=float("inf")),
        make_row("a", 10**7 - 1, steps_run=880, onset_step=880.0, batch_loss=np.zeros(880)),
        {
            **dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), 7),
            **{"arm": "b", "status": "failed", "event": 0, "steps_run": 0},
        },
    ]
    workdir.append(runs)
    assert len(_keys(workdir)) == len(_ALL) + len(runs)
    assert caplog.messages == []


def test_a_torn_changed_or_lost_list_of_parts_is_harmless(workdir, caplog):
    path = workdir.parts / "manifest"
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for i in range(200):
        changed = bytearray(content)
        changed[generator.integers(len(content))] ^= 1 << generator.integers(8)
        path.write_bytes(changed if i % 2 else content[: generator.integers(len(content))])
        assert inventory.read_manifest(path).keys() <= _listed_in(content)
    path.write_bytes(content[:-5])
    assert _keys(workdir) == _ALL
    workdir.append([make_row("a", 2)])
    assert len(_listed(workdir)) == 2
    workdir.inspect(pytest.fail)
    assert len(_listed(workdir)) == 3
    path.unlink()
    assert len(_keys(workdir)) == 5
    path.mkdir()
    assert len(_keys(workdir)) == 5
    assert caplog.messages == []


def _listed_in(content):
    return {line.split()[0].decode() for line in content.split(b"\n") if line}


def test_not_every_one_of_many_is_named(workdir, caplog):
    for i in range(60):
        inventory.extend_manifest(workdir.parts / "manifest", f"{i:032x}", 1)
    assert _keys(workdir) == _ALL
    assert len(caplog.messages) == inventory._MOST_NAMED + 1
    assert caplog.messages[-1] == "40 more parts are damaged or missing"


def test_what_killed_launches_had_not_finished_writing_is_removed(workdir):
    """Of a report only where it is old, because one may be written now."""
    for folder in ("figures", "checkpoint", "damaged"):
        (workdir.path / folder).mkdir()
    removed = [".study.json.abcdefgh.tmp", ".study.json.bak.a_c1efgh", "damaged/.x.abcdefgh.tmp"]
    removed += ["parts/.abc.parquet.abcdefgh", "parts/.manifest.abcdefgh.tmp", "checkpoint/.x.abcdefgh.tmp"]
    reports = [".report.html.abcdefgh.tmp", "figures/.curves_1.svg.abcdefgh.tmp"]
    kept = [".config.personal", "figures/mine.svg", "notes.txt", ".study.json.swp"]
    for name in (*removed, *reports, *kept):
        (workdir.path / name).write_text("")
    workdir.inspect(pytest.fail)
    there = {str(p.relative_to(workdir.path)) for p in workdir.path.rglob("*") if p.is_file()}
    assert there >= {*reports, *kept}
    assert not there & set(removed)
    for name in reports:
        os.utime(workdir.path / name, (0, 0))
    workdir.inspect(pytest.fail)
    there = {str(p.relative_to(workdir.path)) for p in workdir.path.rglob("*") if p.is_file()}
    assert there >= set(kept)
    assert not there & set(reports)


def test_a_part_that_changes_after_it_was_looked_at_is_left_out(workdir, caplog):
    reader = store.open_existing(workdir.path)
    assert reader.read().num_rows == 4
    path, _ = _damage(workdir, "flipped")
    assert reader.read().num_rows == 2
    assert str(path) in caplog.text


def _repeated(**options):
    """1,000 rows whose long curves compress to almost nothing."""
    study = {"plateau.study": parts.fingerprint(_document()["identity"])}
    rows = [make_row("a", seed, num_points=1, batch_loss=np.zeros(1000, np.float32)) for seed in range(1000)]
    columns = {name: [row.get(name) for row in rows] for name in store.ROW_SCHEMA.names}
    return _written(pa.table(columns, schema=store.ROW_SCHEMA.with_metadata(study)), **options)


@pytest.mark.parametrize(
    ("bound", "value", "words"), [("_MAX_DECOMPRESSED_BYTES", 2**21, "decompressed"), ("_MAX_ROWS", 999, "1,000 rows")]
)
def test_a_part_that_unpacks_to_very_much_is_refused_by_its_metadata(workdir, monkeypatch, bound, value, words):
    content = _repeated(use_dictionary=False)
    assert len(content) < 200_000
    path = _put(workdir, content)
    monkeypatch.setattr(parts, bound, value)
    monkeypatch.setattr(parts.pq.ParquetFile, "read", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(ValueError, match=words):
        parts.inspect_part(path, _document(), "")
