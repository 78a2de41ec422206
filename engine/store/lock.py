"""One launch at a time on a work directory.

The lock is the kernel's, on the file `lock`, so it ends with its holder however that ends. What the
file says is only for people; a file that says something while the lock is free tells that its
holder died.
"""

import contextlib
import errno
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from engine.errors import InputError, one_line
from engine.store.files import DamagedError, storage_error, write_all
from engine.store.json_files import parse_json
from engine.store.study_file import LOCK, refuse_foreign

try:
    import fcntl as _fcntl

    fcntl: ModuleType | None = _fcntl
except ImportError:
    fcntl = None

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_MOST_BYTES = 4096
# A holder says who it is right after it has the lock.
_SECONDS_TO_SAY_WHO = 1.0


@contextlib.contextmanager
def hold(path: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Keeps every other launch off a work directory for as long as the block lasts.

    The directory is created where it does not exist. What was created and is still empty in the end
    is removed again.

    Args:
        path: of the directory.
        notify: is told, in a line, when the lock of a launch that died is taken over, and when
            nothing can be locked here.

    Raises:
        InputError: another launch holds it, it holds something else than a study, or it cannot be
            written.
        StorageError: the disk is full or fails.
    """
    refuse_foreign(path)
    created: list[Path] = []
    descriptor = None
    try:
        descriptor = _acquire(path, created, notify)
        _say_who(descriptor, path)
        yield
    finally:
        if descriptor is not None:
            _release(descriptor, path)
        for folder in reversed(created):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _acquire(path: Path, created: list[Path], notify: Callable[[str], None]) -> int:
    """The open lock file of a directory, locked where that is possible."""
    while True:
        _create(path, created)
        descriptor = _open(path)
        if descriptor is None:
            continue
        try:
            is_locked = _try_lock(descriptor, path)
            # The file that was locked may have been removed by its last holder in the meantime.
            if is_locked and not _is_still_there(descriptor, path / LOCK):
                os.close(descriptor)
                continue
            if not is_locked:
                notify(f"{str(path)!r} cannot be locked here: nothing but you keeps a second launch off it")
            elif os.fstat(descriptor).st_size:
                notify(f"the lock of {_holder(descriptor)}, which has ended, is taken over")
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise


def _create(path: Path, created: list[Path]) -> None:
    """Makes the directory and those above it, and notes which were not there."""
    if os.path.lexists(path) and not path.is_dir():
        raise InputError(f"work directory {str(path)!r} is a file: expected a directory")
    missing = []
    for folder in (path, *path.parents):
        if os.path.lexists(folder):
            break
        missing.append(folder)
    try:
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                created.append(folder)
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error


def _open(path: Path) -> int | None:
    """The lock file; `None` where the directory has just been removed by who had created it."""
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path / LOCK, flags, 0o644)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise storage_error(path / LOCK, error) from error
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _no_lock_file(path) from error
        raise InputError(f"cannot write work directory {str(path)!r}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_lock_file(path)
    return descriptor


def _no_lock_file(path: Path) -> InputError:
    return InputError(f"cannot use {str(path / LOCK)!r}: expected a plain file, or none")


def _try_lock(descriptor: int, path: Path) -> bool:
    """Locks a file; false where nothing can be locked.

    Raises:
        InputError: somebody else has locked it.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"work directory {str(path)!r} is in use by {_holder(descriptor, is_alive=True)}: wait "
            f"until it has ended, or stop it"
        ) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise storage_error(path / LOCK, error) from error
    return True


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _holder(descriptor: int, is_alive: bool = False) -> str:
    """Who a lock file says has it, in words."""
    deadline = time.monotonic() + _SECONDS_TO_SAY_WHO * is_alive
    while not (content := os.pread(descriptor, _MOST_BYTES, 0)) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        who = parse_json(content)
        pid, host, started = (who[name] for name in ("pid", "host", "started"))
        return one_line(f"process {int(pid)} on {str(host)[:64]}, since {str(started)[:32]}")
    except (DamagedError, KeyError, TypeError, ValueError):
        return "another process"


def _say_who(descriptor: int, path: Path) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    who = {"pid": os.getpid(), "host": platform.node(), "started": started}
    try:
        os.ftruncate(descriptor, 0)
        write_all(descriptor, (json.dumps(who) + "\n").encode())
    except OSError as error:
        raise storage_error(path / LOCK, error) from error


def _release(descriptor: int, path: Path) -> None:
    """Removes the file while it is still locked, so that nobody takes it for that of a dead one."""
    with contextlib.suppress(OSError):
        if _is_still_there(descriptor, path / LOCK):
            os.unlink(path / LOCK)
    os.close(descriptor)
