"""One launch at a time on a work directory.

The kernel's lock on the file `lock` ends with its holder. `lock.json` says who holds it, or who died holding it.
"""

import contextlib
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

from ..errors import InputError, one_line
from .files import (
    FULL,
    DamagedError,
    flush_folder,
    holding,
    is_still_held,
    read_bounded,
    refusing,
    storage_error,
    write_atomically,
)
from .json_files import parse_json
from .study_file import HOLDER, LOCK, REPORTING, refuse_foreign

_MOST_BYTES = 4096
# Another launch may just be removing its lock, or not yet have said who it is.
_PATIENCE = 0.2
_SECONDS_TO_SAY_WHO = 1.0
_PATIENCE_WITH_A_REPORT = 600.0


@contextlib.contextmanager
def hold(path: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Keeps every other launch off a work directory, which is created, for as long as the block lasts.

    What was created and is still empty in the end is removed again.

    Args:
        notify: called with one line when the lock of a launch that died is taken over, and when
            the file system has no locks.

    Raises:
        InputError: another launch holds it, it holds something else than a study, or it cannot be written.
        StorageError: the disk is full or fails; of what is written by `files.writing` also that the directory was
            moved, so that nothing is written to what lies in its place.
    """
    refuse_foreign(path)
    created: list[Path] = []
    lock = filelock.FileLock(path / LOCK, timeout=_PATIENCE, poll_interval=0.02)
    try:
        _create(path, created)
        _acquire(lock, path, notify)
        # Where nothing can be locked the folder itself is what must stay where it is.
        with holding(path, LOCK if lock.is_locked else "."):
            try:
                _say_who(path, notify)
                yield
            finally:
                for name in (HOLDER, LOCK) if is_still_held(path) else ():
                    # Windows does not remove an open file; there the lock does that itself.
                    with contextlib.suppress(OSError):
                        os.unlink(path / name)
    finally:
        if lock.is_locked:
            lock.release()
        for folder in reversed(created):
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Keeps others from writing a report of a directory meanwhile, so that of two the one that reads last writes last.

    Where there are no locks, or one is held for minutes, it goes on without.
    """
    lock = filelock.FileLock(path / REPORTING, timeout=_PATIENCE_WITH_A_REPORT)
    with contextlib.suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):
                os.unlink(path / REPORTING)
            lock.release()


def find_holder(path: Path) -> str | None:
    """Says in words who holds a directory; `None` where nobody does, or that cannot be told."""
    if not (path / LOCK).is_file():
        return None
    lock = filelock.FileLock(path / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        return _holder(path)
    except (OSError, NotImplementedError):
        return None
    lock.release()
    return None


def _create(path: Path, created: list[Path]) -> None:
    """Makes the directory and those above it, and notes which were not there."""
    with refusing(f"use work directory {str(path)!r}"):
        for folder in reversed([folder for folder in (path, *path.parents) if not os.path.lexists(folder)]):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                flush_folder(folder.parent)
                created.append(folder)
        # A launch that made it may have ended before it could do this.
        flush_folder(path.parent)


def _acquire(lock: filelock.BaseFileLock, path: Path, notify: Callable[[str], None]) -> None:
    """Locks a directory, or says that nothing can be locked there."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path / LOCK).st_mode):
            raise InputError(f"cannot use {str(path / LOCK)!r}: expected a plain file, or none")
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(
            f"work directory {str(path)!r} is in use by {_holder(path, _SECONDS_TO_SAY_WHO)}: wait "
            f"until it has ended, or stop it"
        ) from None
    except OSError as error:
        if error.errno in FULL:
            raise storage_error(path / LOCK, error) from error
        if not (path / LOCK).exists():
            raise InputError(f"cannot write work directory {str(path)!r}: {error.strerror}") from error
        with contextlib.suppress(OSError):
            os.unlink(path / LOCK)
        notify(f"{str(path)!r} cannot be locked here: nothing but you keeps a second launch off it")


def _say_who(path: Path, notify: Callable[[str], None]) -> None:
    if os.path.lexists(path / HOLDER):
        notify(f"the lock of {_holder(path)}, which has ended, is taken over")
    who = {"pid": os.getpid(), "host": platform.node(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomically(path / HOLDER, (json.dumps(who) + "\n").encode(), is_flushed=False)


def _holder(path: Path, patience: float = 0.0) -> str:
    """Says in words who holds the lock of a directory; waits some seconds until the holder has said so."""
    deadline = time.monotonic() + patience
    while not os.path.lexists(path / HOLDER) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        who = parse_json(read_bounded(path / HOLDER, _MOST_BYTES))
        pid, host, started = (who[name] for name in ("pid", "host", "started"))
        return one_line(f"process {int(pid)} on {str(host)[:64]}, since {str(started)[:32]}")
    except (OSError, DamagedError, KeyError, TypeError, ValueError):
        return "another process"
