"""Which files are meant, and their bytes: bounded, unpacked, as UTF-8."""

import glob
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError
from engine.store.files import DamagedError, read_bounded
from engine.user_code import as_path

MAX_BYTES = 2 * 2**30
MAX_FILES = 100_000
_GZIP = b"\x1f\x8b"
_NUMBERS = re.compile(r"([0-9]+)")
_MOST_DIGITS = 1000
_PIECE = 16 * 2**20
# In a folder, only what ends like a log is looked at.
_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
EVENT_FILE = ".tfevents."
_BYTE_ORDERS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Source(NamedTuple):
    """A file that is to be read.

    Attributes:
        path: of the file.
        place: its path without the ending, or its folder where that is what names a run.
        arm: the group that it was given for, or `None`.
        is_sure: whether it was named itself, rather than found in a folder.
    """

    path: Path
    place: str
    arm: str | None
    is_sure: bool


def find_sources(patterns: Sequence[str]) -> list[Source]:
    """The files that some words mean, each once, in the order of the words and of their names.

    Args:
        patterns: each a file, a folder or a glob pattern, with `NAME=` before it for the group that
            its runs belong to.

    Raises:
        InputError: nothing is there, or too much.
    """
    found: dict[Path, tuple[str | None, bool]] = {}
    for pattern in patterns:
        as_path(pattern)
        arm, words = _split(pattern)
        for path, is_sure in _expand(words):
            found.setdefault(path, (arm, is_sure))
        if len(found) > MAX_FILES:
            raise InputError(f"--curves={pattern}: more than {MAX_FILES} files")
    return [Source(path, _place(path), arm, is_sure) for path, (arm, is_sure) in found.items()]


def _split(pattern: str) -> tuple[str | None, str]:
    """The name of the group before the `=`, unless that is a part of the path."""
    arm, separator, rest = pattern.partition("=")
    if not separator or os.path.lexists(pattern) or glob.glob(pattern):
        return None, pattern
    if not arm or "/" in arm or os.sep in arm:
        return None, pattern
    return arm, rest


def _expand(words: str) -> list[tuple[Path, bool]]:
    path = as_path(words)
    if not words:
        raise InputError("--curves: expected a file, a folder or a pattern such as 'runs/*.csv'")
    if path.is_dir():
        inside = _inside(path)
        if not inside:
            raise InputError(
                f"--curves={words}: no log in this folder: expected files that end in "
                f"{', '.join(_ENDINGS)} (also .gz), or TensorBoard event files"
            )
        return [(file, False) for file in inside]
    if os.path.lexists(path):
        return [(path, True)]
    matches = sorted(glob.glob(str(path), recursive=True), key=_as_people_count)
    if not matches:
        near = "" if path.parent.is_dir() else f": there is no folder {str(path.parent)!r}"
        raise InputError(f"--curves={words}: no such file, folder or pattern{near}")
    found = []
    for match in map(Path, matches):
        found += [(file, False) for file in _inside(match)] if match.is_dir() else [(match, True)]
    return found


def _as_people_count(name: str) -> list[tuple[int, str]]:
    """A key that puts `seed_2` before `seed_10`."""
    pieces = _NUMBERS.split(name)
    return [(int(p[:_MOST_DIGITS]), "") if p.isdecimal() else (-1, p) for p in pieces]


def _inside(folder: Path) -> list[Path]:
    """Logs in a folder and those below it, by name."""
    found = []
    for above, folders, names in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_as_people_count)
        for name in sorted(names, key=_as_people_count):
            plain = name.removesuffix(".gz").lower()
            is_log = plain.endswith(_ENDINGS) or EVENT_FILE in name
            if is_log and not name.startswith("."):
                found.append(Path(above) / name)
            if len(found) > MAX_FILES:
                raise InputError(f"more than {MAX_FILES} files in {str(folder)!r}")
    return found


def _place(path: Path) -> str:
    """What names a run: the file, or for TensorBoard, which may write several, the folder."""
    if EVENT_FILE in path.name:
        return path.parent.as_posix()
    plain = path.with_name(path.name.removesuffix(".gz"))
    return plain.with_suffix("").as_posix()


def short_names(paths: Sequence[str]) -> list[str]:
    """What tells paths apart, e.g. `seed_1`, `seed_2` of `runs/seed_1/log`, `runs/seed_2/log`.

    Args:
        paths: with `/` between their components.
    """
    parts = [[p for p in path.split("/") if p not in ("", ".")] for path in paths]
    distinct = {tuple(p) for p in parts}
    if len(distinct) == 1:
        return [p[-1] if p else "run" for p in parts]
    least = min(map(len, distinct))
    head = next((i for i in range(least) if len({p[i] for p in distinct}) > 1), least)
    same_end = (i for i in range(least - head) if len({p[-1 - i] for p in distinct}) > 1)
    tail = next(same_end, least - head)
    return ["/".join(p[head : len(p) - tail]) or (p[-1] if p else "run") for p in parts]


def read_content(path: Path) -> bytes:
    """The bytes of a log, unpacked where it is a gzip file.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except DamagedError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except MemoryError:
        raise InputError(f"{path} does not fit into memory") from None
    if content[:2] == _GZIP:
        content = _unpacked(path, content)
    return content


def _unpacked(path: Path, content: bytes) -> bytes:
    """A gzip file unpacked as far as it goes, but no further than is read of any file."""
    pieces, size, rest = [], 0, content
    while rest[:2] == _GZIP:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while rest and not member.eof:
                piece = member.decompress(rest, _PIECE)
                pieces.append(piece)
                size += len(piece)
                rest = member.unused_data if member.eof else member.unconsumed_tail
                if size > MAX_BYTES:
                    raise InputError(f"{path}: more than {MAX_BYTES // 2**30} GiB once unpacked")
            pieces.append(member.flush())
        except zlib.error as error:
            raise InputError(f"{path}: damaged gzip file ({error})") from None
    return b"".join(pieces)


def to_utf8(path: Path, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Text as UTF-8 without a byte order mark; and what was unusual about it.

    Raises:
        InputError: it is no text.
    """
    encoding = _BYTE_ORDERS.get(content[:2])
    if encoding is not None:
        try:
            return content.decode(encoding).encode(), ()
        except UnicodeDecodeError:
            raise InputError(f"{path}: begins like UTF-16, but is no text") from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content[:4096]:
        raise NoTextError(f"{path}: neither text nor a TensorBoard event file: expected CSV, JSON or JSON lines")
    if content.isascii():
        return content, ()
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode(), (f"{path}: no UTF-8, read as Latin-1",)
    return content, ()


class NoTextError(InputError):
    """A file that holds something else than text."""
