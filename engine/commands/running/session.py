"""One launch on one work directory: trains the missing runs, in one round or several."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine import workers
from engine.commands.running.progress import ProgressBar, note
from engine.commands.running.recorder import Recorder
from engine.lanes.runs import Run, run_key
from engine.outcomes import FAILED
from engine.store import WAITING_COLUMNS, WorkDirectory, provenance, waiting_times
from engine.studies.designs import is_repetition
from engine.studies.expand import ExpandedStudy, ParentOutcomes, with_forks
from engine.studies.until import SequentialSeeds, Until
from engine.workers.interruption import SignalWatch


class Session:
    """A launch: every round trains the runs that are not yet stored; `end` notes what it took.

    Args:
        is_quiet: whether to draw no progress bar.
    """

    def __init__(
        self,
        study: ExpandedStudy,
        directory: WorkDirectory,
        recorder: Recorder,
        crew: workers.Crew,
        watch: SignalWatch,
        is_quiet: bool,
    ) -> None:
        self.study, self._directory, self._crew = study, directory, crew
        self._recorder, self._watch = recorder, watch
        # A run that failed is tried again.
        self._finished = directory.finished_keys(has_outcome=True)
        self._num_stored = len(self._finished)
        # A kill may have come after their rows were stored and before their checkpoints were removed.
        recorder.checkpoints.forget(self._finished)
        recorder.expect_stored(self._num_stored)
        self._is_quiet = is_quiet
        self._started = time.monotonic()
        self._num_runs = 0
        self._run_of: dict[tuple[str, int], Run] = {}

    def run(self, runs: Sequence[Run], sequential: SequentialSeeds | None = None) -> None:
        """Trains those of some runs that are not yet stored.

        Args:
            sequential: decides which runs follow once rows are there; none by default.
        """
        missing = self._take_missing(runs)
        forms = self._directory.document["identity"]["form"]
        specs = [group.spec._replace(form=forms[group.arm_names[0]]) for group in self.study.programs]
        recorder = self._recorder

        def go_on(rows: Sequence[Mapping[str, Any]]) -> list[list[Run]] | None:
            if sequential is None or not rows:
                return None
            return self.study.by_program(self._take_missing(self._after(sequential, rows)))

        with ProgressBar(len(missing), self._steps_to_do(missing), not self._is_quiet and bool(missing)) as bar:
            recorder.bar = bar
            hooks = workers.Hooks(
                on_delivery=lambda delivery: go_on(recorder.take(delivery)),
                on_fallback=recorder.fall_back,
                on_checkpoint=recorder.keep,
                find_checkpoint=recorder.find,
                on_loss=lambda num_steps: recorder.expect(0, num_steps),
                on_failure=lambda run: go_on(recorder.give_up(run)),
                notify=bar.note,
            )
            try:
                workers.run_all(specs, self.study.by_program(missing), hooks, self._crew, self._watch)
            finally:
                recorder.flush()

    def _steps_to_do(self, runs: Sequence[Run]) -> int:
        kept = self._recorder.checkpoints.steps()
        return sum(run.horizon - kept.get(run_key(run), 0) for run in runs)

    def _take_missing(self, runs: Sequence[Run]) -> list[Run]:
        """Takes those of some runs that are neither stored nor taken."""
        missing = [run for run in runs if run_key(run) not in self._finished]
        self._finished.update(map(run_key, missing))
        self._num_runs += len(missing)
        self._recorder.expect(len(missing), self._steps_to_do(missing))
        return missing

    def run_until(self, until: Until) -> None:
        """Trains seeds until a question is decided; notes every look in `study.json`."""
        document = self._directory.document
        horizons = {name: self._in_unit(name, h) for name, h in self.study.horizons.items()}
        sequential = SequentialSeeds(until, horizons, document["study"]["baseline"], document.get("looks", []))
        self._run_of = {(run.arm_name, run.seed): run for run in self.study.runs}
        stored = self._directory.read([*WAITING_COLUMNS, "status"]).to_pylist()
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
            self._recorder.flush()
            document = self._directory.document
            document["looks"] = sequential.records
            document["study"]["seeds"] = dict(sequential.released)
            self._directory.save_document()
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
        self._directory.document["identity"]["fork_step"] = forked.fork_steps
        self._directory.save_document()
        self.run(forked.runs)

    def _parents(self) -> dict[str, ParentOutcomes]:
        """What came of the repetitions, by arm."""
        columns = self._directory.read([*WAITING_COLUMNS, "status"]).to_pydict()
        has_outcome = np.asarray(columns["status"], object) != FAILED
        time = waiting_times(columns)
        arms = np.asarray(columns["arm"], object)
        places = zip(columns["fork_step"], columns["order_seed"], strict=True)
        is_parent = np.array([is_repetition(order, step) for step, order in places], bool)
        seed, event = np.asarray(columns["seed"], int), np.asarray(columns["event"], int)
        chosen = {
            name: is_parent & has_outcome & (arms == name) & (seed < number)
            for name, number in self.study.study.seeds_by_arm.items()
        }
        return {name: ParentOutcomes(seed[of], time[of], event[of]) for name, of in chosen.items()}

    @property
    def has_kept(self) -> bool:
        """Whether anything of this study is stored that would be a loss."""
        return bool(self._num_stored or self._recorder.num_rows or self._recorder.checkpoints.steps())

    def describe_stored(self) -> str:
        """Says what is stored."""
        num_finished = self._num_stored + self._recorder.num_rows
        return f"{num_finished} finished runs are stored, and {len(self._recorder.checkpoints.steps())} as they stand"

    def end(self, signal_name: str | None = None) -> None:
        """Notes when the launch ended, what it took, and the name of the signal that ended it early."""
        launch = self._directory.document["launches"][-1]
        if signal_name is not None:
            launch["ended_by"] = signal_name
        launch.update(
            ended=provenance.now(),
            seconds=round(time.monotonic() - self._started, 3),
            first_chunk_after=self._recorder.first_chunk_after,
            seed_steps=self._recorder.seed_steps,
            num_runs=self._num_runs,
            num_workers=self._crew.num_workers,
        )
        self._directory.save_document()
