"""Small parts that are merged: no row is lost, doubled or changed, whoever reads and whatever fails meanwhile."""

import contextlib
import logging

import pytest

from engine import store
from engine.store import files, inventory
from engine.store.files import DamagedError
from tests.stored import make_document, make_row

NUM_PARTS = 8


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(inventory, "_MOST_SMALL", NUM_PARTS)


def _directory(path, number=NUM_PARTS - 1):
    directory = store.create_or_resume(path, make_document({"a": {}, "b": {}}))
    for seed in range(number):
        directory.append([make_row("ab"[seed % 2], seed, num_points=2 + seed)])
    return directory


def _rows(path):
    return store.open_existing(path).read().to_pylist()


def _num_parts(path):
    return len(list((path / "parts").glob("*.parquet")))


def test_many_small_parts_become_one_with_the_same_rows(tmp_path):
    directory = _directory(tmp_path)
    before = _rows(tmp_path)
    assert _num_parts(tmp_path) == NUM_PARTS - 1
    directory.append([make_row("a", 100)])
    assert _num_parts(tmp_path) == 1
    rows = _rows(tmp_path)
    assert len(rows) == NUM_PARTS
    assert [row for row in rows if row["seed"] != 100] == before
    assert store.open_existing(tmp_path).launches_of_runs().keys() == {
        tuple(row[n] for n in store.RUN_KEY) for row in rows
    }


def test_parts_of_two_launches_stay_apart(tmp_path):
    _directory(tmp_path, NUM_PARTS // 2)
    second = store.create_or_resume(tmp_path, make_document({"a": {}, "b": {}}))
    second.inspect(pytest.fail)
    for seed in range(50, 50 + NUM_PARTS):
        second.append([make_row("a", seed)])
    assert _num_parts(tmp_path) == NUM_PARTS // 2 + 1
    launches = store.open_existing(tmp_path).launches_of_runs()
    assert sorted(launches.values()) == [0] * (NUM_PARTS // 2) + [1] * NUM_PARTS


def test_what_an_earlier_release_left_is_merged_when_a_launch_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "_MOST_SMALL", 10 * NUM_PARTS)
    _directory(tmp_path, NUM_PARTS)
    monkeypatch.setattr(inventory, "_MOST_SMALL", NUM_PARTS)
    before = _rows(tmp_path)
    store.open_existing(tmp_path).inspect(pytest.fail)
    assert _num_parts(tmp_path) == 1
    assert _rows(tmp_path) == before


def test_large_parts_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "_SMALL_BYTES", 1)
    _directory(tmp_path, NUM_PARTS + 2)
    assert _num_parts(tmp_path) == NUM_PARTS + 2


def test_a_reader_that_began_before_sees_every_row_and_warns_of_nothing(tmp_path, caplog):
    directory = _directory(tmp_path)
    reader = store.open_existing(tmp_path)
    parts = reader.iterate(["seed"])
    seen = set(next(parts)["seed"].to_pylist())
    directory.append([make_row("a", 100)])
    with caplog.at_level(logging.WARNING):
        for part in parts:
            seen |= set(part["seed"].to_pylist())
    assert seen == {*range(NUM_PARTS - 1), 100}
    assert caplog.records == []
    assert reader.num_left_out == 0


@pytest.mark.parametrize("operation", ["write_atomically", "remove"])
@pytest.mark.parametrize("nth", range(1, 5))
def test_it_may_end_at_any_operation(tmp_path, monkeypatch, operation, nth):
    directory = _directory(tmp_path)
    before = _rows(tmp_path)
    real, calls = getattr(files, operation), []

    def ends(*args, **more):
        calls.append(args)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(files, operation, ends)
    with contextlib.suppress(KeyboardInterrupt):
        directory.append([make_row("a", 100)])
    monkeypatch.setattr(files, operation, real)
    rows = [row for row in _rows(tmp_path) if row["seed"] != 100]
    assert rows == before
    again = store.open_existing(tmp_path)
    again.inspect(pytest.fail)
    assert [row for row in _rows(tmp_path) if row["seed"] != 100] == before


def test_a_part_that_is_damaged_meanwhile_is_not_merged(tmp_path):
    directory = _directory(tmp_path)
    damaged = next(iter(sorted((tmp_path / "parts").glob("*.parquet"))))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    directory.append([make_row("a", 100)])
    found = []
    fresh = store.open_existing(tmp_path)
    fresh.inspect(found.append)
    assert len(found) == 1
    assert "is set aside" in found[0]
    assert len(_rows(tmp_path)) == NUM_PARTS - 1


def test_what_its_reader_would_refuse_is_not_merged(tmp_path, monkeypatch):
    directory, inspect = _directory(tmp_path), inventory.inspect_content

    def refuse(content, document, study):
        num_rows, launch = inspect(content, document, study)
        if num_rows > 1:
            raise DamagedError("no")
        return num_rows, launch

    monkeypatch.setattr(inventory, "inspect_content", refuse)
    directory.append([make_row("a", 100)])
    assert _num_parts(tmp_path) == len(_rows(tmp_path)) == NUM_PARTS
