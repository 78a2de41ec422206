"""What must hold in every schedule: no row is lost, doubled or changed, everything can be read, words are true."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulation.crew import row_of
from engine import store
from engine.commands.running.session import Recorder
from engine.errors import InputError
from engine.lanes.runs import Run, run_key
from engine.outcomes import FAILED
from engine.store.files import is_temporary
from engine.store.run_table import RunTable

if TYPE_CHECKING:
    from benchmarks.simulation.world import Setting

_STORED = re.compile(r"([\d,]+) finished runs? (?:is|are) stored, and ([\d,]+)")
_ALL_STORED = "everything finished so far is stored"
# As `engine/workers/scheduler.py` promises.
_ENDS_TO_BE_BLAMED = 3
_COMPARED = ("status", "event", "onset_step", "steps_run", "steps", "loss", "batch_loss")


class Violation(Exception):  # noqa: N818
    """Something that must always hold does not."""


class Ledger:
    """Knows which rows were delivered and which were stored, and compares with what a reader finds.

    Attributes:
        stored: keys of the rows that the engine has stored, once it said so to itself: they must stay.
        delivered: keys of the rows that workers handed over in this launch.
        is_blamed: keys of the runs that have ended as many workers as it takes to be given up, alone and at one step.
    """

    def __init__(self, path: Path, setting: "Setting") -> None:
        self._run_of: dict[tuple[Any, ...], Run] = {run_key(run): run for run in setting.study.runs}
        self._rows = {key: row_of(run) for key, run in self._run_of.items()}
        self._expected = setting.expected
        self._stored: set[tuple[Any, ...]] = set()
        self._delivered: set[tuple[Any, ...]] = set()
        self._path = path
        self._is_finished = False
        self._ended_alone: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._is_blamed: set[tuple[Any, ...]] = set()

    def recorder(self) -> type[Recorder]:
        """Returns a recorder that tells this ledger what comes in and what is stored."""
        ledger = self
        ledger._delivered, ledger._ended_alone = set(), {}

        class Told(Recorder):
            def take(self, delivery: Any) -> list[dict[str, Any]]:
                ledger._delivered |= {tuple(one.row[n] for n in store.RUN_KEY) for one in delivery.completed}
                return super().take(delivery)

            def flush(self) -> None:
                keys = {tuple(row[n] for n in store.RUN_KEY) for row in self._rows if row["status"] != FAILED}
                super().flush()
                ledger._stored |= keys

        return Told

    def note_end(self, steps: Mapping[Run, int]) -> None:
        """A worker ended, by its own or by another's hand, with runs that had come to some steps."""
        if len(steps) == 1:
            ((run, step),) = steps.items()
            before, count = self._ended_alone.get(run_key(run), (-1, 0))
            count = count + 1 if step == before else 1
            self._ended_alone[run_key(run)] = step, count
            if count >= _ENDS_TO_BE_BLAMED:
                self._is_blamed.add(run_key(run))

    @property
    def has_blamed(self) -> bool:
        """Whether chance has ended enough workers with one run, alone and at one step, for it to be blamed."""
        return bool(self._is_blamed)

    def note_death(self) -> None:
        """What was delivered and not stored may be lost."""
        self._delivered = set()

    def note_finished(self) -> None:
        """A launch came to its end."""
        self._is_finished = True

    def check_reading(self, path: Path) -> set[tuple[Any, ...]]:
        """Reads the directory as a stranger would, and returns the keys of the runs that have an outcome."""
        if not path.is_dir():
            if self._stored:
                raise Violation(f"the directory is gone, and {len(self._stored)} rows with it")
            return set()
        warned: list[str] = []
        try:
            directory = store.open_existing(path, warned.append)
            table = directory.read()
            RunTable(directory)
        except InputError as error:
            if self._stored:
                raise Violation(f"the directory cannot be opened: {error}") from error
            return set()
        if directory.num_left_out:
            raise Violation(f"{directory.num_left_out} parts are damaged or missing")
        rows = table.to_pylist()
        keys = [tuple(row[name] for name in store.RUN_KEY) for row in rows]
        if len(set(keys)) != len(keys):
            raise Violation("a row is there twice")
        for key, row in zip(keys, rows, strict=True):
            if row["status"] != FAILED:
                self._check_row(key, row)
            elif key not in self._is_blamed:
                raise Violation(f"a run is marked as failed that was not alone at every end of a worker: {key}")
        found = {key for key, row in zip(keys, rows, strict=True) if row["status"] != FAILED}
        if lost := self._stored - found:
            raise Violation(f"{len(lost)} stored rows are lost: {sorted(map(str, lost))[:3]}")
        return found

    def _check_row(self, key: tuple[Any, ...], row: dict[str, Any]) -> None:
        if key not in self._rows:
            raise Violation(f"a row that no run of the study has: {key}")
        for name in _COMPARED:
            expected = self._rows[key][name]
            same = np.array_equal(row[name], expected) if name in ("steps", "loss", "batch_loss") else None
            if not (row[name] == expected if same is None else same):
                raise Violation(f"{name} of {key} is not what was delivered")

    def check_words(self, path: Path, words: str, is_whole: bool) -> None:
        """Checks what a launch said is stored at its end; a directory that was moved is looked at later."""
        if not is_whole:
            return
        found = self.check_reading(path)
        if _ALL_STORED in words and (lost := self._delivered - found):
            raise Violation(f"it said that {_ALL_STORED}, and {len(lost)} finished rows are not")
        match = _STORED.search(words)
        if match is not None and int(match[1].replace(",", "")) != len(found):
            raise Violation(f"it said {match[0]!r}, and {len(found)} finished runs are")

    def check_end(self, path: Path, could_remove: bool) -> set[tuple[Any, ...]]:
        """Checks what a study leaves once it is over, and returns the keys of its runs.

        Where not everything could be removed, files of a lock that nobody holds and unfinished ones may stay.
        """
        found = self.check_reading(path)
        if self._expected is not None and found != self._expected:
            missing, more = len(self._expected - found), len(found - self._expected)
            # A look over pairs without the one of a failed run may have asked for more seeds.
            if missing or not self.has_blamed:
                raise Violation(
                    f"in the end {missing} runs are missing, and {more} are there that one launch would not make"
                )
        names = {file.name for file in path.iterdir()}
        allowed = {"study.json", "study.json.bak", "parts", "damaged"}
        if not could_remove:
            allowed |= {"lock", "lock.json", "checkpoint", *filter(is_temporary, names)}
        if unexpected := names - allowed:
            raise Violation(f"left behind: {sorted(unexpected)}")
        return found
