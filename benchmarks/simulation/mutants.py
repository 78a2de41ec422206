"""Faults that were once in the code, put back one at a time: the simulation has to find them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from engine.store import files, inventory, lock, study_file, validation
from engine.store.json_files import checksum, to_json
from engine.studies import until
from engine.workers import scheduler


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _true(*_: Any, **__: Any) -> bool:
    return True


def _always_first(_: Any, duty: Any) -> bool:
    return len(duty.runs) == 1


def _write_at_once(path: Any, content: bytes, **_: Any) -> None:
    path.write_bytes(content)


def _save_unread(path: Any, document: dict[str, Any]) -> None:
    content = to_json({**document, "checksum": checksum(document)})
    for name in study_file.OF_A_LAUNCH:
        files.write_atomically(path / name, content)


def _refuse_odd(launch: dict[str, Any]) -> dict[str, Any]:
    if (launch.get("first_chunk_after") or 0.0) < 0:
        raise files.DamagedError("first_chunk_after: out of range")
    return launch


def _look_first(self: Any) -> bool:
    is_new = False
    while self.open and (size := self._num_seeds + self._until.block) <= self._reach():
        self._look(min(size, self._until.max_seeds))
        is_new = True
    return is_new


def _release_later(self: Any) -> dict[str, range]:
    last = min(self._num_seeds + 2 * self._until.block, self._until.max_seeds)
    given = {arm: range(self.released[arm], last) for arm in self.open if self.released[arm] < last}
    self.released.update(dict.fromkeys(given, last))
    return given


# Name, and what stands in for what: the module or class, the attribute, and its replacement.
_REPLACEMENTS: dict[str, list[tuple[Any, str, Callable[..., Any]]]] = {
    # New folders and entries are not flushed.
    "unflushed": [(module, "flush_folder", _nothing) for module in (files, lock, inventory.files)],
    # A directory that was moved is written to where it was.
    "moved": [(module, "is_still_held", _true) for module in (files, lock)],
    # A run is given up as soon as it has lost its worker twice, wherever.
    "hasty": [(scheduler.Scheduler, "_ends_its_worker", _always_first)],
    # Seeds are released after a look, so that their number depends on which runs end first.
    "order": [(until.SequentialSeeds, "update", _look_first), (until.SequentialSeeds, "release", _release_later)],
    # The reader refuses what the writer writes.
    "unread": [(validation, "_readable", _refuse_odd), (study_file, "save", _save_unread)],
    # Files are written in place.
    "in_place": [(files, "write_atomically", _write_at_once), (study_file, "write_atomically", _write_at_once)],
}
MUTANTS = tuple(_REPLACEMENTS)


@contextlib.contextmanager
def in_mutant(name: str | None) -> Iterator[None]:
    """Puts a fault into the code for as long as the block lasts."""
    with contextlib.ExitStack() as replaced:
        for place, attribute, replacement in _REPLACEMENTS.get(name or "", []):
            replaced.enter_context(mock.patch.object(place, attribute, replacement))
        yield
