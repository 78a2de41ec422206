"""One launch at a time on a work directory."""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.store.files import is_temporary, remove_temporaries, storing

try:
    import fcntl
except ImportError:  # There is none on Windows.
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = "lock"
STUDY_NAMES = ("study.json", "study.json.bak")
_MAX_CONTENT = 4096


@contextlib.contextmanager
def hold(path: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Holds a work directory for one launch, from before it is looked at until it is left alone.

    The operating system frees the lock when its process ends, however it ends. The directory is
    made where there is none, and goes again where nothing has come into it.

    Args:
        path: of the work directory.
        notify: called with a line where there is something to say.

    Raises:
        InputError: another launch holds it, or it is no place for a study.
        StorageError: it cannot be written.
    """
    _refuse_foreign(path)
    made = _make(path)
    try:
        with _locked(path / LOCK_NAME, notify):
            _refuse_foreign(path)
            for folder in (path, path / "parts", path / "checkpoint", path / "damaged"):
                remove_temporaries(folder, lambda file: file.parent != path or _is_ours(file))
            remove_temporaries(path / "figures", lambda file: False)
            yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _is_ours(file: Path) -> bool:
    """Whether only the holder of the lock writes a file of that name."""
    return file.name.startswith((".study.json.", ".manifest.", f".{LOCK_NAME}."))


def _refuse_foreign(path: Path) -> None:
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"work directory {str(path)!r} is a file: expected a directory")
        inside = list(path.iterdir()) if path.exists() else []
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error
    names = {file.name for file in inside if not is_temporary(file)}
    if names - {LOCK_NAME} and not names & set(STUDY_NAMES):
        raise InputError(
            f"work directory {str(path)!r} is neither empty nor a study: expected a new "
            f"directory, or one that holds a study.json"
        )


def _make(path: Path) -> list[Path]:
    """Makes a directory; those that were not there, the innermost first."""
    missing = []
    for folder in (path, *path.parents):
        if folder.exists():
            break
        missing.append(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write work directory {str(path)!r}: permission denied")
    return missing


@contextlib.contextmanager
def _locked(path: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock file; it is removed in the end."""
    with storing(path):
        descriptor = _acquire(path, notify)
    try:
        before = _content(descriptor)
        if before:
            notify(f"the launch that held this directory ({_describe(before)}) is gone: taken over")
        about = {
            "process": os.getpid(),
            "machine": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with storing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(about).encode(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path, notify: Callable[[str], None]) -> int:
    """A descriptor of the lock file, which nobody else holds."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            if fcntl is None:
                notify("this system cannot lock a work directory: start only one launch on it")
                return descriptor
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _describe(_content(descriptor))
                raise InputError(
                    f"work directory {str(path.parent)!r} is in use by another launch ({holder}): "
                    f"wait for it, stop it, or choose another --workdir"
                ) from None
            except OSError as error:
                notify(f"this work directory cannot be locked ({error.strerror}): start only one")
                return descriptor
            # Whoever held it before may have removed the file between our two calls.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _content(descriptor: int) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(os.pread(descriptor, _MAX_CONTENT, 0))
        if isinstance(found, dict):
            return found
    return {}


def _describe(content: dict[str, Any]) -> str:
    if not content:
        return "which has just begun"
    words = (str(content.get(name, "?"))[:80] for name in ("process", "machine", "since"))
    process, machine, since = words
    return f"process {process} on {machine!r}, since {since}"
