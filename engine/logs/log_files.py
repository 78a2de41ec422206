"""Which files a pattern means, and their bytes: unpacked, as UTF-8, bounded in size."""

import glob
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..store.files import DamagedError, read_bounded
from ..user_code import as_path

MAX_BYTES = 2 * 2**30
MAX_FILES = 100_000
_GZIP = b"\x1f\x8b"
_NUMBERS = re.compile(r"([0-9]+)")
_MOST_DIGITS = 1000
# Files in a folder that end otherwise are not looked at.
_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_EVENT_FILE = ".tfevents."


class NoTextError(InputError):
    """A file that is not text."""


class LogFile(NamedTuple):
    """A file to be read.

    Attributes:
        place: what names its run: the path without the ending, or for event files the folder.
        arm: group of runs that it was given for, or `None`.
        is_named: whether the user named the file itself, rather than a folder or a pattern.
    """

    path: Path
    place: str
    arm: str | None
    is_named: bool

    @property
    def plain_name(self) -> str:
        """The name of the file in lower case, without `.gz`."""
        return self.path.name.removesuffix(".gz").lower()

    @property
    def has_events(self) -> bool:
        """Whether the file is called like one of TensorBoard's event files."""
        return _EVENT_FILE in self.path.name


def find_files(patterns: Sequence[str]) -> list[LogFile]:
    """Finds the files that patterns mean, see `read_curves`, each once, in the order of the patterns and the names."""
    found: dict[Path, LogFile] = {}
    for pattern in patterns:
        as_path(pattern)
        arm, words = _split(pattern)
        for path, is_named in _expand(words):
            found.setdefault(path, LogFile(path, _place(path), arm, is_named))
        if len(found) > MAX_FILES:
            raise InputError(f"--curves={pattern}: more than {MAX_FILES} files")
    return list(found.values())


def _split(pattern: str) -> tuple[str | None, str]:
    """Splits off the name of the group before the `=`, unless that is a part of the path."""
    arm, separator, rest = pattern.partition("=")
    if not arm or not separator or "/" in arm or os.sep in arm or os.path.lexists(pattern) or glob.glob(pattern):
        return None, pattern
    return arm, rest


def _expand(words: str) -> list[tuple[Path, bool]]:
    """Returns the files that a file, folder or pattern means, and whether each was named itself."""
    path = as_path(words)
    if not words:
        raise InputError("--curves: expected a file, a folder or a pattern such as 'runs/*.csv'")
    is_there = os.path.lexists(path)
    matches = [str(path)] if is_there else sorted(glob.glob(str(path), recursive=True), key=_natural_key)
    if not matches:
        near = "" if path.parent.is_dir() else f": there is no folder {str(path.parent)!r}"
        raise InputError(f"--curves={words}: no such file, folder or pattern{near}")
    found: list[tuple[Path, bool]] = []
    for match in map(Path, matches):
        found += [(file, False) for file in _inside(match)] if match.is_dir() else [(match, True)]
    if is_there and not found:
        raise InputError(
            f"--curves={words}: no log in this folder: expected files that end in "
            f"{', '.join(_ENDINGS)} (also .gz), or TensorBoard event files"
        )
    return found


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Returns a key that sorts `seed_2` before `seed_10`."""
    return [(int(p[:_MOST_DIGITS]), "") if p.isdecimal() else (-1, p) for p in _NUMBERS.split(name)]


def _inside(folder: Path) -> list[Path]:
    """Returns the logs in a folder and those below it, by name."""
    found: list[Path] = []
    for above, folders, names in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_natural_key)
        for name in sorted(names, key=_natural_key):
            is_log = name.removesuffix(".gz").lower().endswith(_ENDINGS) or _EVENT_FILE in name
            if is_log and not name.startswith("."):
                found.append(Path(above) / name)
        if len(found) > MAX_FILES:
            raise InputError(f"more than {MAX_FILES} files in {str(folder)!r}")
    return found


def _place(path: Path) -> str:
    if _EVENT_FILE in path.name:
        return path.parent.as_posix()
    return path.with_name(path.name.removesuffix(".gz")).with_suffix("").as_posix()


def short_names(paths: Sequence[str]) -> list[str]:
    """Shortens paths to what tells them apart: `runs/seed_1/log`, `runs/seed_2/log` become `seed_1`, `seed_2`."""
    parts = [[p for p in path.split("/") if p not in ("", ".")] for path in paths]
    distinct = {tuple(p) for p in parts}
    if len(distinct) == 1:
        return [p[-1] if p else "run" for p in parts]
    least = min(map(len, distinct))
    head = next((i for i in range(least) if len({p[i] for p in distinct}) > 1), least)
    tail = next((i for i in range(least - head) if len({p[-1 - i] for p in distinct}) > 1), least - head)
    return ["/".join(p[head : len(p) - tail]) or (p[-1] if p else "run") for p in parts]


def read_content(path: Path) -> bytes:
    """Returns the bytes of a log, unpacked if it is a gzip file; raises `InputError` if it cannot be read."""
    try:
        content = read_bounded(path, MAX_BYTES)
    except (OSError, DamagedError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except MemoryError:
        raise InputError(f"{path} does not fit into memory") from None
    return _unpacked(path, content) if content.startswith(_GZIP) else content


def _unpacked(path: Path, rest: bytes) -> bytes:
    """Unpacks the members of a gzip file; of one that is cut off, what is there."""
    found = b""
    while rest.startswith(_GZIP):
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            found += member.decompress(rest, MAX_BYTES + 1 - len(found))
        except zlib.error as error:
            raise InputError(f"{path}: damaged gzip file ({error})") from None
        if len(found) > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES // 2**30} GiB once unpacked")
        rest = member.unused_data
    return found


def to_utf8(path: Path, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Returns text as UTF-8 without a byte order mark, and what was unusual; raises `InputError` if it is no text."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return content.decode("utf-16").encode(), ()
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
