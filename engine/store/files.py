"""Files that appear whole or not at all, and JSON that is read with suspicion."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import InputError, StorageError

logger = logging.getLogger(__name__)

MAX_JSON_BYTES = 2**26
_MAX_TEMPORARY_AGE = 3600.0


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all, also when the power fails.

    Raises:
        StorageError: the file cannot be written.
    """
    with storing(path):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Adds a line at the end of a file; after a crash it may be there in part.

    Raises:
        StorageError: it cannot be written.
    """
    with storing(path), open(path, "ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Says in one line why a file cannot be written.

    Args:
        path: of the file.

    Raises:
        StorageError: in the place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; what was stored before is intact, and "
            f"the same command goes on once this is mended"
        ) from error


def _sync_folder(path: Path) -> None:
    """Makes a new name last; not every system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether a file is a left-over of `write_atomically`."""
    return path.name.startswith(".") and path.name.count(".") >= 2 and not path.is_dir()


def remove_temporaries(folder: Path, is_ours: Callable[[Path], bool]) -> None:
    """Removes what a killed process has left in a folder.

    Args:
        folder: to be cleaned.
        is_ours: of a temporary file, whether nobody but this process may write it now; others go
            only when they are an hour old.
    """
    for path in folder.glob(".*") if folder.is_dir() else []:
        if not is_temporary(path):
            continue
        with contextlib.suppress(OSError):
            if is_ours(path) or time.time() - path.stat().st_mtime > _MAX_TEMPORARY_AGE:
                path.unlink()


def check_folder(path: Path) -> None:
    """Refuses a folder that leads elsewhere.

    Raises:
        InputError: it is a symbolic link.
    """
    if path.is_symlink():
        raise InputError(f"{str(path)!r} is a symbolic link: expected a directory of its own")


def to_json(value: Any) -> bytes:
    """JSON as it is stored: readable, sorted, without NaN or infinity."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def read_json(path: Path) -> Any:
    """The content of a JSON file of bounded size.

    Raises:
        ValueError: it is damaged, or too large; the message is the reason.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"it is larger than {MAX_JSON_BYTES >> 20} MiB")
    try:
        return json.loads(
            content.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name appears twice")
    return dict(pairs)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def digest(content: bytes) -> str:
    """Of the bytes of a file, as in its name."""
    return hashlib.sha256(content).hexdigest()[:32]


def recall(path: Path | None, keys: set[str]) -> dict[str, Any] | None:
    """What was kept under a path; `None` where nothing with these keys can be read."""
    if path is None or not path.exists():
        return None
    with contextlib.suppress(OSError, ValueError):
        kept = read_json(path)
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path | None, value: dict[str, Any]) -> None:
    """Keeps a value, unless the place cannot be written to."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(value))
    except (OSError, StorageError) as error:
        logger.warning("%s cannot be kept: %s", path, error)
