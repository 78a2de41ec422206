"""Every write of a study fails in turn: nothing finished is lost, and the same command goes on."""

import errno
import os

import matplotlib as mpl
import pytest

import launch
from engine import store
from engine.errors import InputError, StorageError
from engine.store import files
from tests.stored import make_document, make_row

_CALLS = ("write", "fsync", "replace", "mkdir", "ftruncate")
_ROUNDS = 2


def _study(path):
    """What a launch stores: a few parts, and its document now and then."""
    with store.hold(path, lambda _: None):
        workdir = store.create_or_resume(path, make_document({"a": {}}))
        workdir.inspect(lambda _: None)
        stored = workdir.finished_keys()
        for i in range(_ROUNDS):
            rows = [make_row("a", 2 * i + j) for j in range(2)]
            keys = {("a", *[row["seed"]] * 3, None, None) for row in rows}
            if not keys <= stored:
                workdir.append(rows)
            workdir.document["launches"][-1]["num_runs"] = i
            workdir.save_document()


def _fail_at(monkeypatch, number, code, has_cleaning=True):
    """Lets the call of this number fail, and all after it, as on a disk that is full."""
    mpl.get_cachedir()  # of Matplotlib, which makes it when it is first asked
    calls = []

    def guarded(name):
        real = getattr(os, name)

        def call(*args, **options):
            calls.append(name)
            if len(calls) > number:
                raise OSError(code, os.strerror(code))
            return real(*args, **options)

        return call

    for name in _CALLS:
        monkeypatch.setattr(os, name, guarded(name))
    if not has_cleaning:
        real_unlink = os.unlink

        def unlink(path, **options):
            if len(calls) > number and ".tmp" in str(path):
                raise OSError(code, os.strerror(code))
            real_unlink(path, **options)

        monkeypatch.setattr(os, "unlink", unlink)
    return calls


@pytest.mark.parametrize(
    ("code", "has_cleaning"), [(errno.ENOSPC, True), pytest.param(errno.EIO, False, marks=pytest.mark.slow)]
)
def test_every_write_may_fail(tmp_path, monkeypatch, caplog, code, has_cleaning):
    # Waiting for the disk is most of the time, and shows nothing here.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with monkeypatch.context() as patch:
        calls = _fail_at(patch, 10**9, code)
        _study(tmp_path / "whole")
    expected = store.open_existing(tmp_path / "whole").read()
    assert len(calls) > 40
    for number in range(len(calls)):
        path = tmp_path / str(number)
        with monkeypatch.context() as patch:
            _fail_at(patch, number, code, has_cleaning)
            with pytest.raises((StorageError, InputError)) as caught:
                _study(path)
        message = str(caught.value)
        assert "\n" not in message
        assert str(tmp_path) in message
        assert os.strerror(code) in message
        if (path / "study.json").exists():
            there = store.open_existing(path).read()
            assert there.num_rows % 2 == 0
            assert there.equals(expected.slice(0, there.num_rows))
        left = [p.name for p in path.rglob("*") if p.name.endswith(".tmp")]
        assert not left or not has_cleaning
        _study(path)
        assert store.open_existing(path).read().equals(expected)
        assert not [p.name for p in path.rglob("*") if p.name.endswith(".tmp")]
    assert caplog.messages == []


def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path, monkeypatch, capsys):
    study = store.create_or_resume(tmp_path / "w", make_document({"a": {}}))
    study.append([make_row("a", seed) for seed in range(3)])
    before = store.open_existing(study.path).read()
    monkeypatch.chdir(tmp_path)
    _fail_at(monkeypatch, 0, errno.ENOSPC)
    assert launch.main(["launch.py", "report", "--workdir=w"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write 'w/outcomes.parquet': No space left on device; ")
    assert "what was stored before stays: make space and give the same command again" in error
    assert error.count("\n") == 1
    assert store.open_existing(study.path).read().equals(before)


def test_a_write_in_pieces_is_whole(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda number, data: real(number, data[:7]))
    files.write_atomically(tmp_path / "x", bytes(range(256)))
    assert (tmp_path / "x").read_bytes() == bytes(range(256))
    assert os.listdir(tmp_path) == ["x"]


def test_what_was_there_stays_where_a_write_fails(tmp_path, monkeypatch):
    files.write_atomically(tmp_path / "x", b"old")
    _fail_at(monkeypatch, 0, errno.EDQUOT)
    with pytest.raises(StorageError, match="make space"):
        files.write_atomically(tmp_path / "x", b"new")
    monkeypatch.undo()
    assert (tmp_path / "x").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]
