"""One launch on one work directory: trains the missing runs, in one round or several, and writes what comes back."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InputError, agreeing, counted
from ...lanes.checkpoint import Checkpoint
from ...lanes.runs import Run, run_key
from ...lanes.to_row import failed_row
from ...observers import Observer, StudyProgress
from ...outcomes import FAILED
from ...store import RUN_KEY, WAITING_COLUMNS, WorkDirectory, provenance, waiting_times
from ...store.checkpoints import CheckpointFolder, Kept
from ...store.run_table import RunTable
from ...store.weights import Weights, write_weights
from ...studies.designs import is_repetition
from ...studies.expand import ExpandedStudy, ParentOutcomes, with_forks
from ...studies.until import SequentialSeeds, Until
from ...workers import messages, supervisor
from ...workers.interruption import SignalWatch
from .progress import ProgressBar, note

_SECONDS_PER_PART = 2.0


@dataclasses.dataclass
class Recorder:
    """Writes rows as parts of a few seconds each, and tells the progress bar and the observers.

    `seed_steps` are summed over runs; `first_chunk_after` is in seconds from the start of the process.
    """

    study: ExpandedStudy
    directory: WorkDirectory
    checkpoints: CheckpointFolder
    observers: Sequence[Observer]
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.bar = ProgressBar()
        self.num_stored = self.num_rows = self.seed_steps = 0
        self.first_chunk_after: float | None = None
        self._planned_runs = self._planned_steps = 0
        self._rows: list[dict[str, Any]] = []
        self._written = self.now()

    def expect_stored(self, num_runs: int) -> None:
        """Notes runs that an earlier launch has finished."""
        self._planned_runs += num_runs
        self.num_stored += num_runs

    def expect(self, num_runs: int, num_steps: int) -> None:
        """Notes further runs, or steps that have to be done again."""
        self._planned_runs += num_runs
        self._planned_steps += num_steps
        self.bar.extend(num_runs, num_steps)

    def take(self, delivery: messages.Delivery) -> list[dict[str, Any]]:
        """Takes what one chunk brought, and returns its rows."""
        if self.first_chunk_after is None:
            self.first_chunk_after = round(provenance.seconds_since_start(), 3)
        self.seed_steps += delivery.seed_steps
        # Before their rows: a run whose row is stored is not done again.
        for completed in delivery.completed:
            if completed.weights is not None and is_repetition(completed.run.order_seed, completed.run.fork_step):
                about = completed.run.arm_name, completed.run.seed, completed.num_steps
                write_weights(self.directory, Weights(*about, completed.weights))
        num_skipped = sum(completed.run.horizon - completed.num_steps for completed in delivery.completed)
        return self._add([completed.row for completed in delivery.completed], delivery.seed_steps, num_skipped)

    def give_up(self, run: Run) -> list[dict[str, Any]]:
        """Takes a run that has ended its worker twice, and returns its row."""
        row = failed_row(run, self.study.program_of[run.arm_name].chance_loss)
        return self._add([row], 0, run.horizon - self.checkpoints.steps().get(run_key(run), 0))

    def _add(self, rows: list[dict[str, Any]], num_steps: int, num_skipped: int) -> list[dict[str, Any]]:
        self._rows += rows
        self.num_rows += len(rows)
        if self.now() - self._written > _SECONDS_PER_PART:
            self.flush()
        self._planned_steps -= num_skipped
        self.bar.update(num_steps, [row["status"] for row in rows], num_skipped)
        share = min(self.seed_steps / max(self._planned_steps, 1), 1.0)
        standing = StudyProgress(self.num_stored + self.num_rows, self._planned_runs, share)
        for observer in self.observers:
            observer.on_rows(rows, standing)
        return rows

    def keep(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Stores unfinished runs, after the rows of those that are over: their checkpoints may go then."""
        self.flush()
        self.checkpoints.keep([(run_key(c.run), Kept(c.step, c.arrays)) for c in checkpoints])

    def find(self, run: Run) -> Checkpoint | None:
        """Returns the last checkpoint of a run, or `None`."""
        kept = self.checkpoints.find(run_key(run))
        return None if kept is None else Checkpoint(run, *kept)

    def fall_back(self, group: int, reason: str) -> None:
        """Records that a group of arms is computed in the native form, and says why."""
        names = self.study.programs[group].arm_names
        # Begun in one form and ended in another, a run could not be made again.
        self.checkpoints.forget([key for key in self.checkpoints.steps() if key[0] in names])
        self.directory.document["identity"]["form"].update(dict.fromkeys(names, "native"))
        self.directory.save_document()
        self.bar.note(
            f"{', '.join(names)}: computed in the native form, which is slow, because the rewritten network "
            f"disagrees with it: {reason}"
        )

    def flush(self) -> None:
        """Writes the rows that are not yet on disk."""
        if self._rows:
            try:
                self.directory.append(self._rows)
            except InputError:
                # They are stored, but for those that never can be.
                self._rows = []
                raise
            self.checkpoints.forget([tuple(row[n] for n in RUN_KEY) for row in self._rows])
        self._rows = []
        self._written = self.now()


@dataclasses.dataclass
class Session:
    """A launch: every round trains the runs that are not yet stored; `end` notes what it took."""

    recorder: Recorder
    crew: supervisor.Workers
    watch: SignalWatch
    is_quiet: bool

    def __post_init__(self) -> None:
        self.study, self.directory = self.recorder.study, self.recorder.directory
        # A run that failed is tried again.
        self._finished = self.directory.finished_keys(has_outcome=True)
        # A kill may have come after their rows were stored and before their checkpoints were removed.
        self.recorder.checkpoints.forget(self._finished)
        self.recorder.expect_stored(len(self._finished))
        self._started = self.recorder.now()
        self._num_runs = 0
        self._run_of: dict[tuple[str, int], Run] = {}

    def run(self, runs: Sequence[Run], sequential: SequentialSeeds | None = None) -> None:
        """Trains those of some runs that are not yet stored, and those that `sequential` lets follow."""
        missing = self._take_missing(runs)
        forms = self.directory.document["identity"]["form"]
        specs = [group.spec._replace(form=forms[group.arm_names[0]]) for group in self.study.programs]
        recorder = self.recorder

        def go_on(rows: Sequence[Mapping[str, Any]]) -> list[list[Run]] | None:
            if sequential is None or not rows:
                return None
            return self.study.by_program(self._take_missing(self._after(sequential, rows)))

        with ProgressBar(len(missing), self._steps_to_do(missing), not self.is_quiet and bool(missing)) as bar:
            recorder.bar = bar
            hooks = messages.Hooks(
                on_delivery=lambda delivery: go_on(recorder.take(delivery)),
                on_fallback=recorder.fall_back,
                on_checkpoint=recorder.keep,
                find_checkpoint=recorder.find,
                on_loss=lambda num_steps: recorder.expect(0, num_steps),
                on_failure=lambda run: go_on(recorder.give_up(run)),
                notify=bar.note,
            )
            try:
                supervisor.run_all(specs, self.study.by_program(missing), hooks, self.crew, self.watch)
            finally:
                recorder.flush()

    def _steps_to_do(self, runs: Sequence[Run]) -> int:
        kept = self.recorder.checkpoints.steps()
        return sum(run.horizon - kept.get(run_key(run), 0) for run in runs)

    def _take_missing(self, runs: Sequence[Run]) -> list[Run]:
        """Takes those of some runs that are neither stored nor taken."""
        missing = [run for run in runs if run_key(run) not in self._finished]
        self._finished.update(map(run_key, missing))
        self._num_runs += len(missing)
        self.recorder.expect(len(missing), self._steps_to_do(missing))
        return missing

    def run_until(self, until: Until) -> None:
        """Trains seeds until a question is decided; notes every look in `study.json`."""
        document = self.directory.document
        horizons = {name: self._in_unit(name, h) for name, h in self.study.horizons.items()}
        sequential = SequentialSeeds(until, horizons, document["study"]["baseline"], document.get("looks", []))
        self._run_of = {(run.arm_name, run.seed): run for run in self.study.runs}
        stored = self.directory.read([*WAITING_COLUMNS, "status"]).to_pylist()
        # A run that failed is tried again, and over when it fails again.
        over = [row for row in stored if row["status"] != FAILED]
        self.run(self._after(sequential, over), sequential)
        document["study"]["seeds"] = {name: sequential.num_over(name) for name in horizons}

    def _in_unit(self, arm: str, steps: float) -> float:
        """A time in epochs if all arms have epochs, else in steps."""
        units = {name: group.steps_per_epoch for name, group in self.study.program_of.items()}
        return steps / (units[arm] or 1) if all(units.values()) else float(steps)

    def _after(self, sequential: SequentialSeeds, rows: Sequence[Mapping[str, Any]]) -> list[Run]:
        """The runs that may start once some rows are there, in the order of seeds."""
        columns = {name: [row.get(name) for row in rows] for name in WAITING_COLUMNS}
        for row, wait in zip(rows, waiting_times(columns), strict=True):
            event = None if row["status"] == FAILED else row["event"]
            sequential.add(row["arm"], row["seed"], self._in_unit(row["arm"], wait), event)
        is_new, released = sequential.update(), sequential.release()
        if is_new or released:
            self.recorder.flush()
            document = self.directory.document
            document["looks"] = sequential.records
            document["study"]["seeds"] = dict(sequential.released)
            self.directory.save_document()
        pairs = sorted((seed, arm) for arm, seeds in released.items() for seed in seeds)
        return [self._run_of[arm, seed] for seed, arm in pairs]

    def run_forks(self) -> None:
        """Forks the runs that are stored, and notes where."""
        forked = with_forks(self.study, self._parents())
        with_runs = {run.arm_name for run in forked.runs}
        for name, step in forked.fork_steps.items():
            if step is None:
                note(f"no forks of {name!r}: half of its runs have not left their plateau, or all left it at once")
            elif name not in with_runs:
                note(f"no forks of {name!r}: no run waits at step {step}")
        self.directory.document["identity"]["fork_step"] = forked.fork_steps
        self.directory.save_document()
        self.run(forked.runs)

    def _parents(self) -> dict[str, ParentOutcomes]:
        table, parents = RunTable(self.directory), {}
        for name, number in self.study.study.seeds_by_arm.items():
            rows = table.is_of(name) & table.is_repetition & table.has_outcome & (table.seed < number)
            parents[name] = ParentOutcomes(table.seed[rows], table.waiting_time[rows], table.event[rows])
        return parents

    @property
    def has_kept(self) -> bool:
        """Whether anything of this study is stored that would be a loss."""
        return bool(self.recorder.num_stored or self.recorder.num_rows or self.recorder.checkpoints.steps())

    def describe_stored(self) -> str:
        """Says what is stored."""
        num_finished = self.recorder.num_stored + self.recorder.num_rows
        num_kept = len(self.recorder.checkpoints.steps())
        finished = counted(num_finished, "finished run is", "finished runs are")
        return f"{finished} stored, and {num_kept} as {agreeing(num_kept, 'it stands', 'they stand')}"

    def end(self, signal_name: str | None = None) -> None:
        """Notes when the launch ended, what it took, and the name of the signal that ended it early."""
        launch = self.directory.document["launches"][-1]
        if signal_name is not None:
            launch["ended_by"] = signal_name
        launch.update(
            ended=provenance.now(), seconds=round(self.recorder.now() - self._started, 3), num_runs=self._num_runs,
            first_chunk_after=self.recorder.first_chunk_after, seed_steps=self.recorder.seed_steps,
            num_workers=self.crew.num_workers,
        )  # fmt: skip
        self.directory.save_document()
