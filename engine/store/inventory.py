"""Keeps track of which parts of a study are whole, and what is wrong with the others.

A manifest lists the parts, so that a missing one is noticed: a line for each, with a hash of it. A torn or changed
line is ignored, and a part that is not listed is read all the same.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ..errors import InputError, counted, one_line
from ..outcomes.row import ROW_SCHEMA, Row
from . import files
from .parts import PART_BYTES, encode, encode_table, fingerprint, inspect_content, inspect_part, read_part, split
from .study_file import MANIFEST

_ENDING = ".parquet"
# A line of the manifest: the name of a part, its number of rows, and a hash of the two.
_LINE = re.compile(rb"([0-9a-f]{32}) (\d{1,9}) ([0-9a-f]{8})")
_MAX_MANIFEST_BYTES = 64 * 2**20
_MISSING = "missing"
_LEFT_OUT = "is left out: `run` makes its runs again"
# So many parts of one launch that are no larger are merged.
_MOST_SMALL, _SMALL_ROWS, _SMALL_BYTES = 256, 4096, 2**20
# More problems than this are counted instead of named.
_MOST_NAMED = 20


class _Part(NamedTuple):
    """What is known of a part: its rows (as listed, if it is missing), the launch that wrote it, why it is left out."""

    num_rows: int
    launch: int | None
    problem: str | None


class Inventory:
    """The parts of a study. Each is inspected once, when it is first seen."""

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self._folder, self._document = folder, document
        self._study = fingerprint(document["identity"])
        self._manifest = folder / MANIFEST
        self._parts: dict[str, _Part] = {}
        self._reported: set[str] = set()

    @property
    def num_left_out(self) -> int:
        """Number of parts that were found damaged or missing so far."""
        return len(self._problems())

    def iterate(self, schema: pa.Schema, warn: Callable[[str], None]) -> Iterator[tuple[pa.Table, int | None]]:
        """Yields the columns of a schema of every whole part, and the launch that wrote it.

        Where a launch merges parts meanwhile, some rows may come twice.

        Args:
            warn: called once, with one line for each part that is left out.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
        """
        given: set[str] = set()
        while True:
            self._inspect()
            self._report(warn, _LEFT_OUT)
            pending = [name for name in sorted(self._parts) if name not in given and self._parts[name].problem is None]
            if not pending:
                return
            for name in pending:
                given.add(name)
                # What is gone by now is merged into another part or missing, as the next look tells.
                with contextlib.suppress(FileNotFoundError):
                    try:
                        table = read_part(self._path(name), schema)
                    except files.DamagedError as error:
                        self._parts[name] = self._parts[name]._replace(problem=str(error))
                        continue
                    yield table, self._parts[name].launch

    def append(self, rows: Sequence[Row], launch: int) -> None:
        """Stores the rows that a launch made as new parts, and lists them; raises as `WorkDirectory.append`."""
        refused = [why for piece in split(rows) for why in self._append(piece, launch)]
        self.merge()
        if refused:
            others = f" and {counted(len(refused) - 1, 'other run')}" if refused[1:] else ""
            raise InputError(
                f"what came of {refused[0]}{others} could not be read again, so it is not stored; all else that is "
                f"finished is. That is a fault of Plateau: please report it"
            )

    def _append(self, rows: Sequence[Row], launch: int) -> Iterator[str]:
        """Stores rows as a part, and yields which could not be read again, and why."""
        try:
            content = encode(rows, self._study, launch)
            inspect_content(content, self._document, self._study)
        except (files.DamagedError, pa.ArrowException) as error:
            if len(rows) > 1:
                for row in rows:
                    yield from self._append([row], launch)
            else:
                yield one_line(f"seed {rows[0]['seed']} of {rows[0]['arm']!r} ({error})")
            return
        name = files.digest(content)
        files.write_atomically(self._path(name), content)
        extend_manifest(self._manifest, name, len(rows))
        self._parts[name] = _Part(len(rows), launch, None)

    def merge(self) -> None:
        """Merges small parts of one launch where there are many; for the holder of the lock.

        A reader sees every row at any moment: the new part is there and listed before the old ones go.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
            StorageError: something cannot be written or removed.
        """
        by_launch: dict[int, list[str]] = {}
        for name, part in self._parts.items():
            if part.problem is None and part.launch is not None and part.num_rows <= _SMALL_ROWS:
                by_launch.setdefault(part.launch, []).append(name)
        for launch, names in by_launch.items():
            small = list(filter(self._is_small, names)) if len(names) >= _MOST_SMALL else []
            if len(small) >= _MOST_SMALL:
                self._merge(small, launch)

    def _is_small(self, name: str) -> bool:
        with contextlib.suppress(OSError):
            return self._path(name).stat().st_size < _SMALL_BYTES
        return False

    def _merge(self, names: Sequence[str], launch: int) -> None:
        tables: dict[str, pa.Table] = {}
        num_bytes = 0
        for name in names:
            try:
                table = read_part(self._path(name), ROW_SCHEMA)
            except (files.DamagedError, FileNotFoundError):
                # The next look says so.
                del self._parts[name]
                continue
            num_bytes += table.nbytes
            if num_bytes > PART_BYTES:
                break
            tables[name] = table
        if len(tables) < 2:
            return
        table = pa.concat_tables(tables.values())
        content = encode_table(table, self._study, launch)
        try:
            inspect_content(content, self._document, self._study)
        except files.DamagedError:
            return
        merged = files.digest(content)
        files.write_atomically(self._path(merged), content)
        self._parts = {n: part for n, part in self._parts.items() if n not in tables}
        self._parts[merged] = _Part(len(table), launch, None)
        self._list()
        for name in tables.keys() - {merged}:
            files.remove(self._path(name))

    def _list(self) -> None:
        """Writes the manifest anew, of the whole parts, where it is another one."""
        whole = {name: part.num_rows for name, part in self._parts.items() if part.problem is None}
        if read_manifest(self._manifest) != whole:
            lines = [_line(name, num_rows) + b"\n" for name, num_rows in sorted(whole.items())]
            files.write_atomically(self._manifest, b"".join(lines))

    def repair(self, aside: Path, notify: Callable[[str], None]) -> None:
        """Moves damaged parts to the folder `aside`, and lists the whole ones; for the holder of the lock.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
            StorageError: something cannot be moved or written.
        """
        self._inspect()
        problems = self._problems()
        for name, problem in problems.items():
            if problem != _MISSING:
                files.set_aside(self._path(name), aside)
        self._report(notify, f"is set aside in {str(aside)!r}: its runs are run again")
        self._parts = {name: part for name, part in self._parts.items() if part.problem is None}
        self._reported.clear()
        self._list()
        self.merge()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_ENDING}"

    def _problems(self) -> dict[str, str]:
        return {name: part.problem for name, part in sorted(self._parts.items()) if part.problem is not None}

    def _inspect(self) -> None:
        """Inspects parts that are new, and notes which have come or gone."""
        while True:
            # A part is written before it is listed, so what is listed by now must be there below. One that is merged
            # is listed no more once it goes: then the look begins again.
            listed = read_manifest(self._manifest)
            there = {path.name.removesuffix(_ENDING) for path in self._folder.glob(f"*{_ENDING}")}
            gone = listed.keys() - there
            if not gone or gone <= read_manifest(self._manifest).keys():
                break
        for name in self._parts.keys() - there:
            del self._parts[name]
        for name in sorted(there - self._parts.keys()):
            try:
                num_rows, launch = inspect_part(self._path(name), self._document, self._study)
                self._parts[name] = _Part(num_rows, launch, None)
            except files.DamagedError as error:
                self._parts[name] = _Part(0, None, str(error))
            except FileNotFoundError:
                there.remove(name)
        for name in gone:
            self._parts[name] = _Part(listed[name], None, _MISSING)

    def _report(self, say: Callable[[str], None], outcome: str) -> None:
        """Says once what is wrong with each part."""
        new = {name: why for name, why in self._problems().items() if name not in self._reported}
        self._reported |= new.keys()
        for name, problem in list(new.items())[:_MOST_NAMED]:
            path = str(self._path(name))
            if problem == _MISSING:
                runs_count = counted(self._parts[name].num_rows, "run counts", "runs count")
                say(f"{path!r} is missing: {runs_count} as not finished")
            else:
                say(one_line(f"{path!r} {outcome} ({problem})"))
        if len(new) > _MOST_NAMED:
            say(f"{counted(len(new) - _MOST_NAMED, 'more part is', 'more parts are')} damaged or missing")


def read_manifest(path: Path) -> dict[str, int]:
    """Returns the number of rows by part, from every whole line; raises `InputError` if it may not be read."""
    content = b""
    with files.refusing(f"read {str(path)!r}"), contextlib.suppress(FileNotFoundError, files.DamagedError):
        content = files.read_bounded(path, _MAX_MANIFEST_BYTES)
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
    with files.writing(path):
        is_new = not os.path.lexists(path)
        files.write_and_close(os.open(path, flags, 0o644), b"\n" + _line(name, num_rows) + b"\n")
        if is_new:
            files.flush_folder(path.parent)
