"""One launch at a time on a work directory, with real processes."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import store
from engine.errors import InputError, StorageError
from engine.store.checkpoints import CheckpointFolder, Kept
from tests.stored import make_document, make_row

# For every line it gets, a directory: tries to hold it, says what came of it, and lets go when it
# is told to.
_CONTENDER = """
import sys
from pathlib import Path
from engine.errors import InputError
from engine.store.lock import hold
print("ready", flush=True)
for line in sys.stdin:
    notes = []
    try:
        with hold(Path(line.strip()), notes.append):
            print("holds", *notes, flush=True)
            sys.stdin.readline()
    except InputError as error:
        print("refused", error, flush=True)
        sys.stdin.readline()
    print("over", flush=True)
"""


class _Contender:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CONTENDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self.answer() == "ready"

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def contenders():
    started = [_Contender() for _ in range(3)]
    yield started
    for contender in started:
        contender.process.kill()
        contender.process.wait()


def test_of_launches_that_race_exactly_one_proceeds(contenders, tmp_path):
    """Directories that are new, empty, studies, or just given up by another holder."""
    for race in range(24):
        path = tmp_path / f"deep/{race}" if race % 4 else tmp_path / "again"
        if race % 4 == 2:
            path.mkdir(parents=True)
        if race % 4 == 3:
            store.create_or_resume(path, make_document({"a": {}}))
        for contender in contenders:
            contender.say(str(path))
        answers = [contender.answer() for contender in contenders]
        assert sorted(a.split()[0] for a in answers) == ["holds", "refused", "refused"], answers
        (holder,) = (c for c, a in zip(contenders, answers, strict=True) if a == "holds")
        for answer in answers:
            assert answer == "holds" or f"by process {holder.process.pid} on " in answer
        for contender in contenders:
            contender.say("")
        assert [contender.answer() for contender in contenders] == ["over"] * 3
        # One that is refused cannot remove a directory that it made for another to hold.
        there = os.listdir(path) if path.exists() else []
        assert sorted(there) == ["parts", "study.json", "study.json.bak"] * (race % 4 == 3)


def test_whoever_takes_over_as_another_lets_go_holds_alone(contenders, tmp_path):
    """Two that ask again and again while the lock is released, removed and made anew."""
    first, second, third = contenders
    for _ in range(20):
        first.say(str(tmp_path))
        assert first.answer() == "holds"
        first.say("")
        for contender in (second, third):
            contender.say(str(tmp_path))
        answers = [contender.answer().split()[0] for contender in (second, third)]
        assert answers.count("holds") <= 1
        for contender in (second, third):
            contender.say("")
        assert [contender.answer() for contender in contenders] == ["over"] * 3


def test_a_lock_file_that_is_removed_as_it_is_locked_is_no_lock(tmp_path, monkeypatch):
    """As by a holder that has just ended: the next attempt makes a file of its own."""
    real, tried = fcntl.flock, []

    def lose_and_lock(descriptor, operation):
        tried.append(operation)
        if len(tried) < 3:
            os.unlink(tmp_path / "lock")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lose_and_lock)
    with store.hold(tmp_path, pytest.fail):
        assert (tmp_path / "lock").exists()
        assert len(tried) >= 3


def test_the_lock_of_a_killed_launch_is_taken_over(contenders, tmp_path):
    first, second = _Contender(), contenders[0]
    first.say(str(tmp_path))
    assert first.answer() == "holds"
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert json.loads((tmp_path / "lock.json").read_text())["pid"] == first.process.pid
    second.say(str(tmp_path))
    answer = second.answer()
    assert answer.startswith(f"holds the lock of process {first.process.pid} on ")
    assert answer.endswith("which has ended, is taken over")
    second.say("")
    assert second.answer() == "over"


def test_a_refusal_says_who_holds_it_since_when_and_what_to_do(contenders, tmp_path):
    contenders[0].say(str(tmp_path))
    assert contenders[0].answer() == "holds"
    with pytest.raises(InputError, match=r"process \d+ on .*, since \d{4}-.*: wait until"):  # noqa: SIM117
        with store.hold(tmp_path, pytest.fail):
            pytest.fail("two hold it")
    assert set(json.loads((tmp_path / "lock.json").read_text())) == {"pid", "host", "started"}
    contenders[0].say("")
    assert contenders[0].answer() == "over"


def test_a_refused_study_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="for another reason"):  # noqa: SIM117
        with store.hold(tmp_path / "a/b/c", pytest.fail):
            raise InputError("for another reason")
    assert list(tmp_path.iterdir()) == []
    with store.hold(tmp_path / "a/b", pytest.fail):
        store.create_or_resume(tmp_path / "a/b", make_document({"x": {}})).discard()
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_stays(tmp_path):
    (tmp_path / "empty").mkdir()
    with store.hold(tmp_path / "empty", pytest.fail):
        assert sorted(os.listdir(tmp_path / "empty")) == ["lock", "lock.json"]
    assert os.listdir(tmp_path / "empty") == []
    with store.hold(tmp_path / "study", pytest.fail):
        workdir = store.create_or_resume(tmp_path / "study", make_document({"x": {}}))
        workdir.append([make_row("x", 0)])
    assert sorted(os.listdir(tmp_path / "study")) == ["parts", "study.json", "study.json.bak"]


def test_a_directory_with_other_things_is_refused_before_anything_is_created(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for path, words in ((tmp_path, "neither empty nor"), (tmp_path / "thesis.txt", "is a file")):
        with pytest.raises(InputError, match=words), store.hold(path, pytest.fail):
            pass
    with pytest.raises(InputError, match="cannot use"):  # noqa: SIM117
        with store.hold(tmp_path / "thesis.txt" / "below", pytest.fail):
            pass
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected a directory"):  # noqa: SIM117
        with store.hold(tmp_path / "link", pytest.fail):
            pass
    assert sorted(os.listdir(tmp_path)) == ["link", "thesis.txt"]


def test_what_a_killed_launch_left_as_it_began_is_no_other_thing(tmp_path):
    (tmp_path / "parts").mkdir()
    for name in ("lock", ".lock.json.abcdefgh.tmp", ".study.json.abcdefgh.tmp", "parts/.manifest.abcdefgh.tmp"):
        (tmp_path / name).write_text("")
    with store.hold(tmp_path, pytest.fail):
        store.create_or_resume(tmp_path, make_document({"x": {}})).inspect(pytest.fail)
    assert sorted(os.listdir(tmp_path)) == ["parts", "study.json", "study.json.bak"]
    assert os.listdir(tmp_path / "parts") == []


def test_runs_without_their_study_are_refused(tmp_path):
    workdir = store.create_or_resume(tmp_path, make_document({"x": {}}))
    workdir.append([make_row("x", 0)])
    for name in ("study.json", "study.json.bak"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match=r"study\.json.* gone, but"), store.hold(tmp_path, print):
        pass


@pytest.mark.parametrize("content", [b"\xff", b"[1]", b"{}", b"9" * 9999, b'{"pid": "\x1b[2J"}'])
def test_nothing_that_a_lock_file_says_is_trusted(tmp_path, content):
    (tmp_path / "lock.json").write_bytes(content)
    notes = []
    with store.hold(tmp_path, notes.append):
        pass
    assert notes == ["the lock of another process, which has ended, is taken over"]


def test_a_lock_that_is_no_plain_file_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    for i, make in enumerate((lambda p: p.symlink_to(secret), os.mkdir, os.mkfifo)):
        path = tmp_path / str(i)
        path.mkdir()
        make(path / "lock")
        with pytest.raises(InputError, match="plain file"), store.hold(path, pytest.fail):
            pass
    assert secret.read_text() == "kept"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_where_nothing_can_be_locked_it_is_said_and_done_without(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    notes = []
    with store.hold(tmp_path / "w", notes.append):
        pass
    (note,) = notes
    assert "cannot be locked" in note
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EROFS, InputError, "cannot write work directory .*Read-only file system"),
        (errno.EACCES, InputError, "cannot write work directory .*Permission denied"),
        (errno.ENOSPC, StorageError, "No space left.* make space and give the same command again"),
    ],
)
def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch, number, kind, words):
    real = os.open

    def refuse(path, flags, *rest, **more):
        if Path(path).name == "lock":
            raise OSError(number, os.strerror(number))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(kind, match=words), store.hold(tmp_path / "w", pytest.fail):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("what", ["moved", "replaced", "removed", "unlocked"])
def test_nothing_is_written_where_the_directory_was(tmp_path, what):
    path, document = tmp_path / "w", make_document({"a": {}})
    with store.hold(path, pytest.fail):
        workdir = store.create_or_resume(path, document)
        workdir.append([make_row("a", 0)])
        checkpoints = CheckpointFolder(path / "checkpoint", "origin")
        if what == "removed":
            shutil.rmtree(path)
        elif what == "unlocked":
            (path / "lock").unlink()
        else:
            path.rename(tmp_path / "elsewhere")
        if what == "replaced":
            other = tmp_path / "other"
            store.create_or_resume(other, make_document({"other": {}})).append([make_row("other", 0)])
            for name in ("lock", "lock.json"):
                (other / name).write_text("of the other")
            other.rename(path)
        before = _contents(path)
        for write in (
            lambda: workdir.append([make_row("a", 1)]),
            workdir.save_document,
            lambda: checkpoints.keep([(("a", 1, 1, 1, None, None), Kept(11, {"x": np.zeros(3)}))]),
        ):
            with pytest.raises(StorageError, match=r"moved or removed.*What was stored before is still in it"):
                write()
            assert _contents(path) == before
    if what != "unlocked":
        assert _contents(path) == before
    kept = {"moved": tmp_path / "elsewhere", "replaced": tmp_path / "elsewhere", "unlocked": path}.get(what)
    if kept is not None:
        assert store.open_existing(kept).read()["seed"].to_pylist() == [0]


def _contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
