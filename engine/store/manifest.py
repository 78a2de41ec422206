"""Lists the parts of a study, so that a missing one is noticed.

One line per part: its name, its number of rows, and a hash of the two. A torn or changed line does
not match its hash and is ignored; a part that is not listed is read all the same.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from engine.errors import InputError
from engine.store.files import DamagedError, read_bounded, storage_error, write_all, write_atomically

_MAX_BYTES = 64 * 2**20
_LINE = re.compile(rb"([0-9a-f]{32}) (\d{1,9}) ([0-9a-f]{8})")


def read_manifest(path: Path) -> dict[str, int]:
    """Returns the number of rows by part, from every whole line.

    Raises:
        InputError: it may not be read.
    """
    try:
        content = read_bounded(path, _MAX_BYTES)
    except (FileNotFoundError, DamagedError):
        return {}
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    found = {}
    for line in content.split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is not None and line == _line(match[1].decode(), int(match[2])):
            found[match[1].decode()] = int(match[2])
    return found


def _line(name: str, num_rows: int) -> bytes:
    words = f"{name} {num_rows}"
    return f"{words} {hashlib.sha256(words.encode()).hexdigest()[:8]}".encode()


def extend_manifest(path: Path, name: str, num_rows: int) -> None:
    """Adds a part, apart from a line before it that may be torn.

    Raises:
        StorageError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o644)
        try:
            write_all(descriptor, b"\n" + _line(name, num_rows) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(path, error) from error


def rewrite_manifest(path: Path, parts: Mapping[str, int]) -> None:
    """Writes a manifest that lists these parts and nothing else.

    Raises:
        StorageError: it cannot be written.
    """
    lines = [_line(name, num_rows) for name, num_rows in sorted(parts.items())]
    write_atomically(path, b"".join(line + b"\n" for line in lines))
