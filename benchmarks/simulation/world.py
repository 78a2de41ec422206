"""One schedule: launches on one work directory, with what happens meanwhile drawn from a seed."""

import contextlib
import copy
import errno
import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.simulation.crew import Habits, SimulatedCrew
from benchmarks.simulation.disk import Disk, Killed, watched
from benchmarks.simulation.invariants import Ledger, Violation
from engine import store
from engine.commands import run as run_module
from engine.commands.run import RunOptions
from engine.commands.running import session
from engine.errors import InputError, StorageError, WorkerFailedError
from engine.lanes.runs import Run
from engine.store import files, provenance
from engine.studies.expand import ExpandedStudy
from engine.studies.shared_program import Layout
from engine.studies.until import Until
from engine.workers import devices
from engine.workers.interruption import Interrupted, SignalWatch

_MOST_LAUNCHES = 12
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
_LAUNCH = {
    "command": ["launch.py"],
    "versions": {"jax": "1"},
    "hardware": {"cores": 2, "machine": "x", "system": "y"},
    "code": {"digest": provenance.code_digest()},
    "started": "2026-01-01T00:00:00+00:00",
    "devices": {"platform": "cpu", "kind": "simulated", "count": 2},
    "settings": {},
    "xla_flags": {},
}


class Setting(NamedTuple):
    """A study that is run, until when, and the keys of the runs that it has in the end; `None`: not known yet."""

    study: ExpandedStudy
    until: Until | None = None
    expected: frozenset[tuple[Any, ...]] | None = None


class _Watch(SignalWatch):
    """A watch for signals that come from the world; there is no file at which the crew would look."""

    def fileno(self) -> int:
        """Returns no file."""
        return -1

    def drain(self) -> None:
        """Empties nothing."""


class World:
    """What happens in one schedule; everything is drawn from its seed."""

    def __init__(self, seed: int, root: Path, setting: Setting, is_disturbed: bool = True) -> None:
        self.seed, self.setting, self._is_disturbed = seed, setting, is_disturbed
        self._chance = random.Random(seed)
        self._root = root / "world"
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()
        self._path = self._root / "study"
        self._disk = Disk(self._root, self._chance)
        self._ledger = Ledger(self._path, setting)
        self._watch = _Watch()
        self._is_last = False
        self._moved: Path | None = None
        self._others: dict[Path, bytes] = {}
        self._heard: list[str] = []

    def play(self) -> int:
        """Runs launches until one comes to its end; returns how many, or raises `Violation`."""
        for number in range(1, _MOST_LAUNCHES + 1):
            self._is_last = number == _MOST_LAUNCHES or self._chance.random() < 0.25 or not self._is_disturbed
            with self._as_evidence(number):
                is_over = self._launch()
                could_remove = not self._disk.failing
                self._disk.revive()
                self._between_launches()
                if is_over and not self._is_last and self._ledger.has_blamed:
                    # What was marked as failed is tried again by the next launch.
                    continue
                if is_over:
                    self.keys = self._ledger.check_end(self._path, could_remove)
                    return number
        raise Violation(f"seed {self.seed}: no launch came to its end")

    @contextlib.contextmanager
    def _as_evidence(self, number: int) -> Iterator[None]:
        try:
            yield
        except Violation as error:
            raise Violation(f"seed {self.seed}, launch {number}: {error}") from error
        except (AssertionError, KeyError, IndexError, TypeError, AttributeError, ValueError, OSError) as error:
            raise Violation(f"seed {self.seed}, launch {number}: {type(error).__name__}: {error}") from error

    def note_end(self, steps: Mapping[Run, int]) -> None:
        """A worker ended with runs that had come to some steps."""
        self._ledger.note_end(steps)

    def happen(self) -> None:
        """Lets something happen while the parent waits for its workers."""
        chance = self._chance
        if chance.random() < 0.02:
            self._ledger.check_reading(self._path if self._moved is None else self._moved)
        if chance.random() < 0.05:
            self._disk.settle()
        if self._is_last:
            return
        if chance.random() < 0.01 and self._watch.signal is None:
            self._watch.signal = chance.choice((2, 15))
        if chance.random() < 0.01:
            self._try_second_launch()
        if chance.random() < 0.006 and self._moved is None:
            self._move_away()

    def _launch(self) -> bool:
        """Runs one launch to its end, whatever that is; tells whether it is done."""
        chance, disk = self._chance, self._disk
        self._watch.signal = None
        quiet = Habits(0, 0, 0, 0.2, 0, frozenset())
        habits = quiet
        if not self._is_last:
            dies, hangs, fails = (chance.choice((0.0, 0.0, 0.01, 0.05)) for _ in range(3))
            keeps, rejects = chance.choice((0.0, 0.1, 0.4)), chance.choice((0.0, 0.0, 0.01))
            habits = Habits(dies, hangs, fails, keeps, rejects, frozenset(), chance.choice((0.0, 0.0, 0.5, 1.0)))
            if chance.random() < 0.6:
                disk.last = disk.num_changes + int(chance.expovariate(1 / 60)) + 1
            if chance.random() < 0.3:
                first = disk.num_changes + int(chance.expovariate(1 / 60)) + 1
                failing = range(first, first + chance.choice((1, 1, 3, 10_000)))
                disk.failing = dict.fromkeys(failing, chance.choice(_ERRORS))
        crew = SimulatedCrew(chance, chance.randint(1, 3), habits, self)
        jump = chance.choice((0.0, 0.0, -1e6, 1e7))
        try:
            with watched(disk), _wall_clock(jump):
                self._run(crew)
        except Killed:
            self._ledger.note_death()
            if chance.random() < 0.5:
                disk.revive()
                disk.lose_power()
            return False
        except Interrupted as error:
            self._ledger.check_words(self._path, error.stored, is_whole=self._moved is None)
            return False
        except (StorageError, WorkerFailedError) as error:
            self._ledger.check_words(self._path, str(error), is_whole=self._moved is None)
            return self._refuse_if_last(error)
        except InputError as error:
            return self._refuse_if_last(error)
        self._ledger.note_finished()
        return True

    def _refuse_if_last(self, error: Exception) -> bool:
        if self._is_last:
            raise Violation(f"an undisturbed launch ended with: {error}")
        return False

    def _run(self, crew: SimulatedCrew) -> None:
        setting, path = self.setting, self._path

        def expand(_: Any, platform: str, layouts: Mapping[str, Layout], *__: Any) -> ExpandedStudy:
            programs = []
            for program in setting.study.programs:
                form = layouts[program.arm_names[0]].form or program.spec.form
                programs.append(program._replace(spec=program.spec._replace(form=form)))
            return setting.study._replace(programs=programs)

        options = RunOptions(num_workers=crew.num_workers, is_quiet=True, is_told=True, cache_dir=str(path.parent))
        launch = run_module._Launch(setting.study.study, path, setting.until, options, crew.devices, crew, self._watch)
        with contextlib.ExitStack() as replaced:
            for place, name, value in (
                (run_module, "expand", expand),
                (run_module, "note", self._heard.append),
                # What a container says of its age may be anything.
                (provenance, "seconds_since_start", lambda: self._chance.choice((3.0, -5.0))),
                (run_module, "Recorder", self._ledger.recorder()),
                (session.ProgressBar, "note", lambda _, line: self._heard.append(line)),
            ):
                replaced.enter_context(mock.patch.object(place, name, value))
            with store.hold(path, self._heard.append), crew_ended(crew):
                crew.ensure()
                launch.train()

    def _between_launches(self) -> None:
        if self._moved is not None:
            self._put_back()
        self._ledger.check_reading(self._path)

    def _try_second_launch(self) -> None:
        """A second launch must be told that the directory is in use."""
        try:
            # It is another process, which holds nothing yet.
            with self._disk.by_others(), mock.patch.object(files, "_held", {}), store.hold(self._path, lambda _: None):
                pass
        except (InputError, StorageError):
            return
        if self._moved is None:
            raise Violation("two launches held one directory")

    def _move_away(self) -> None:
        """Somebody moves the directory, and may put another one in its place."""
        self._moved = self._root / "moved"
        with self._disk.by_others():
            os.rename(self._path, self._moved)
            if self._chance.random() < 0.7:
                (self._path / "parts").mkdir(parents=True)
                for name in ("study.json", "study.json.bak", "parts/other.parquet"):
                    (self._path / name).write_bytes(b"another study's")
                    self._others[self._path / name] = b"another study's"

    def _put_back(self) -> None:
        """Nothing may have been written where the directory was; then it comes back."""
        assert self._moved is not None
        there = {path: path.read_bytes() for path in self._path.rglob("*") if path.is_file()}
        if there != self._others:
            raise Violation(f"what lies in the place of a moved directory was changed: {sorted(map(str, there))}")
        with self._disk.by_others():
            shutil.rmtree(self._path, ignore_errors=True)
            os.rename(self._moved, self._path)
        self._moved, self._others = None, {}


@contextlib.contextmanager
def crew_ended(crew: SimulatedCrew) -> Iterator[None]:
    """Ends all workers at the end."""
    try:
        yield
    finally:
        crew.members.clear()


@contextlib.contextmanager
def _wall_clock(jump: float) -> Iterator[None]:
    real = time.time

    def jumped() -> float:
        return real() + jump

    with mock.patch.object(time, "time", jumped), mock.patch.object(devices, "current_launch", _make_launch):
        yield


def _make_launch(_: Any) -> dict[str, Any]:
    return copy.deepcopy(_LAUNCH)


def undisturbed(root: Path, setting: Setting) -> Setting:
    """Returns the setting with the runs that a launch makes which nothing disturbs."""
    world = World(0, root, setting, is_disturbed=False)
    world.play()
    return setting._replace(expected=frozenset(world.keys))
