"""Which parts of a study are whole, and what is wrong with the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from engine.errors import one_line
from engine.outcomes.row import Row
from engine.store.files import DamagedError, digest, set_aside, write_atomically
from engine.store.manifest import extend_manifest, read_manifest, rewrite_manifest
from engine.store.parts import Origin, encode, fingerprint, inspect_part, read_part, split
from engine.store.study_file import MANIFEST

_ENDING = ".parquet"
_MISSING = "missing"
# So many are named one by one.
_MOST_NAMED = 20


class _Part(NamedTuple):
    """What is known of a part: its rows and whose it is, or the reason why it is left out."""

    num_rows: int
    origin: Origin
    problem: str | None


class Inventory:
    """The parts of a study. Each is inspected once, when it is first seen.

    Args:
        folder: of the parts.
        document: of the study.
    """

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self._folder, self._document = folder, document
        self._parts: dict[str, _Part] = {}
        self._told: set[str] = set()
        self._fingerprint: str | None = None

    @property
    def num_left_out(self) -> int:
        """Parts that are damaged or missing, of those that were looked at."""
        return len(self._problems())

    def iterate(self, schema: pa.Schema, warn: Callable[[str], None]) -> Iterator[tuple[pa.Table, Origin]]:
        """The parts that are whole, one after another, with whose they are.

        Args:
            schema: some columns of `ROW_SCHEMA`.
            warn: is told, once and in a line each, what is left out.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
        """
        self._inspect()
        self._tell(warn, "is left out: `run` makes its runs again")
        for name, part in sorted(self._parts.items()):
            if part.problem is not None:
                continue
            try:
                table = read_part(self._path(name), schema)
            except (DamagedError, FileNotFoundError) as error:
                problem = _MISSING if isinstance(error, FileNotFoundError) else str(error)
                self._parts[name] = part._replace(problem=problem)
                self._tell(warn, "is left out: `run` makes its runs again")
                continue
            yield table, part.origin

    def append(self, rows: Sequence[Row], launch: int) -> None:
        """Stores rows as new parts, and lists them.

        Args:
            rows: with the columns of `ROW_SCHEMA`; a missing one is null.
            launch: index of the launch that made them.

        Raises:
            StorageError: they cannot be written; those of earlier parts are there.
        """
        origin = Origin(self._study(), launch)
        for piece in split(rows):
            content = encode(piece, origin)
            name = digest(content)
            write_atomically(self._path(name), content)
            extend_manifest(self._folder / MANIFEST, name, len(piece))
            self._parts[name] = _Part(len(piece), origin, None)

    def repair(self, aside: Path, notify: Callable[[str], None]) -> None:
        """Sets aside what is not whole, and lists what is; for who holds the lock.

        Args:
            aside: folder where damaged parts go.
            notify: is told, in a line each, what is not whole.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
            StorageError: something cannot be moved or written.
        """
        self._inspect()
        problems = self._problems()
        for name, problem in problems.items():
            if problem != _MISSING:
                set_aside(self._path(name), aside)
        self._tell(notify, f"is set aside in {str(aside)!r}: its runs are run again")
        for name in problems:
            del self._parts[name]
        self._told.clear()
        whole = {name: part.num_rows for name, part in self._parts.items()}
        if read_manifest(self._folder / MANIFEST) != whole:
            rewrite_manifest(self._folder / MANIFEST, whole)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_ENDING}"

    def _study(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._document["identity"])
        return self._fingerprint

    def _problems(self) -> dict[str, str]:
        parts = sorted(self._parts.items())
        return {name: part.problem for name, part in parts if part.problem is not None}

    def _inspect(self) -> None:
        """Looks at what has not been seen yet, and at what has come or gone since."""
        # A part is there before it is listed, so what is listed by now must be there later.
        listed = read_manifest(self._folder / MANIFEST)
        there = {path.name.removesuffix(_ENDING) for path in self._folder.glob(f"*{_ENDING}")}
        for name in self._parts.keys() - there:
            del self._parts[name]
        for name in sorted(there - self._parts.keys()):
            try:
                found = inspect_part(self._path(name), self._document, self._study())
                self._parts[name] = _Part(*found, None)
            except DamagedError as error:
                self._parts[name] = _Part(0, Origin(None, None), str(error))
            except FileNotFoundError:
                there.remove(name)
        for name in listed.keys() - there:
            self._parts[name] = _Part(listed[name], Origin(None, None), _MISSING)

    def _tell(self, say: Callable[[str], None], outcome: str) -> None:
        """Says what is wrong with each part, once."""
        new = {name: why for name, why in self._problems().items() if name not in self._told}
        self._told |= new.keys()
        for name, problem in list(new.items())[:_MOST_NAMED]:
            path = str(self._path(name))
            if problem == _MISSING:
                number = self._parts[name].num_rows
                say(f"{path!r} is missing: its {number} runs count as not finished")
            else:
                say(one_line(f"{path!r} {outcome} ({problem})"))
        if len(new) > _MOST_NAMED:
            say(f"{len(new) - _MOST_NAMED} more parts are damaged or missing")
