"""Lists the parts of a study, so that a missing one is noticed.

One line per part: its name, its number of rows, and a hash of the two. A torn or changed line does
not match its hash and is ignored; a part that is not listed is read all the same.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from engine.store.files import DamagedError, read_bounded, refusing, write_and_close, write_atomically, writing

_MAX_BYTES = 64 * 2**20
_LINE = re.compile(rb"([0-9a-f]{32}) (\d{1,9}) ([0-9a-f]{8})")


def read_manifest(path: Path) -> dict[str, int]:
    """Returns the number of rows by part, from every whole line; raises `InputError` if it may not be read."""
    content = b""
    with refusing(f"read {str(path)!r}"), contextlib.suppress(FileNotFoundError, DamagedError):
        content = read_bounded(path, _MAX_BYTES)
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
    """Adds a part, apart from a line before it that may be torn."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with writing(path):
        write_and_close(os.open(path, flags, 0o644), b"\n" + _line(name, num_rows) + b"\n")


def rewrite_manifest(path: Path, parts: Mapping[str, int]) -> None:
    """Writes a manifest that lists these parts and nothing else."""
    lines = [_line(name, num_rows) for name, num_rows in sorted(parts.items())]
    write_atomically(path, b"".join(line + b"\n" for line in lines))
