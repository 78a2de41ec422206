"""One launch on one work directory: trains what is missing, in one round or several."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine import workers
from engine.commands.running.progress import Progress
from engine.commands.running.recorder import Recorder
from engine.lanes.runs import Run, run_key
from engine.outcomes import FAILED
from engine.store import WAITING_COLUMNS, WorkDirectory, provenance, waiting_times
from engine.studies.designs import is_repetition
from engine.studies.expand import ExpandedStudy, ParentOutcomes, with_forks
from engine.studies.until import SequentialSeeds, Until
from engine.workers.interruption import SignalWatch


class Session:
    """A launch. Every round trains the runs that are not yet stored; `end` notes what it took.

    Args:
        plan: of the study.
        directory: where rows go.
        recorder: of what workers bring.
        crew: of workers.
        watch: for signals.
        is_quiet: whether to draw no progress bar.

    Attributes:
        plan: of the study.
    """

    def __init__(
        self,
        plan: ExpandedStudy,
        directory: WorkDirectory,
        recorder: Recorder,
        crew: workers.Crew,
        watch: SignalWatch,
        is_quiet: bool,
    ) -> None:
        self.plan, self._directory, self._crew = plan, directory, crew
        self._recorder, self._watch = recorder, watch
        self._checkpoints = recorder.checkpoints
        # A run that has failed is tried again.
        self._finished = directory.finished_keys(has_outcome=True)
        self._num_stored = len(self._finished)
        # A kill may have come after their rows and before their checkpoints were removed.
        self._checkpoints.forget(self._finished)
        recorder.expect(self._num_stored, num_stored=self._num_stored)
        self._is_quiet = is_quiet
        self._started = time.monotonic()
        self._num_runs = 0
        self._index: dict[tuple[str, int], Run] = {}

    def run(self, runs: Sequence[Run], sequential: SequentialSeeds | None = None) -> None:
        """Trains those of some runs that are not yet stored.

        Args:
            runs: to begin with.
            sequential: where more may follow until a question is decided.

        Raises:
            InputError: something does not fit the device.
            WorkerFailedError: a worker raised an exception.
        """
        missing = self._take_missing(runs)
        groups = self.plan.programs
        forms = self._directory.document["identity"]["form"]
        specs = [g.spec._replace(form=forms[g.arm_names[0]]) for g in groups]
        num_steps = self._steps_to_do(missing)
        is_drawn = not self._is_quiet and bool(missing)
        with Progress(len(missing), num_steps, is_drawn) as progress:
            recorder = self._recorder
            recorder.progress = progress
            recorder.expect(len(missing), num_steps)

            def go_on(rows: Sequence[Mapping[str, Any]]) -> list[list[Run]] | None:
                if sequential is None or not rows:
                    return None
                more = self._take_missing(self._after(sequential, rows))
                num_more = self._steps_to_do(more)
                progress.extend(len(more), num_more)
                recorder.expect(len(more), num_more)
                return self.plan.by_program(more)

            hooks = workers.Hooks(
                on_delivery=lambda delivery: go_on(recorder.take(delivery)),
                on_fallback=recorder.fall_back,
                on_checkpoint=recorder.keep,
                find_checkpoint=recorder.find,
                on_loss=recorder.repeat,
                on_failure=lambda run: go_on(recorder.give_up(run)),
                notify=progress.note,
            )
            try:
                workers.run_all(specs, self.plan.by_program(missing), hooks, self._crew, self._watch)
            finally:
                recorder.flush()

    def _steps_to_do(self, runs: Sequence[Run]) -> int:
        """Steps of some runs that are not yet behind them."""
        kept = self._checkpoints.steps()
        return sum(run.horizon - kept.get(run_key(run), 0) for run in runs)

    def _take_missing(self, runs: Sequence[Run]) -> list[Run]:
        """Those of some runs that are neither stored nor under way; they are under way then."""
        missing = [run for run in runs if run_key(run) not in self._finished]
        self._finished.update(map(run_key, missing))
        self._num_runs += len(missing)
        return missing

    def run_until(self, until: Until) -> None:
        """Trains seeds until a question is decided; every look is noted in `study.json`."""
        document = self._directory.document
        horizons = {name: self._in_unit(name, h) for name, h in self.plan.horizons.items()}
        baseline = document["study"]["baseline"]
        sequential = SequentialSeeds(until, horizons, baseline, document.get("looks", []))
        self._index = {(run.arm_name, run.seed): run for run in self.plan.runs}
        stored = self._directory.read([*WAITING_COLUMNS, "status"]).to_pylist()
        # One that failed is tried again, and over when it fails again.
        over = [row for row in stored if row["status"] != FAILED]
        self.run(self._after(sequential, over), sequential)
        document["study"]["seeds"] = {name: sequential.num_over(name) for name in horizons}

    def _in_unit(self, arm: str, steps: float) -> float:
        """A time in epochs where all arms have some, else in steps."""
        units = {name: group.steps_per_epoch for name, group in self.plan.program_of.items()}
        return steps / (units[arm] or 1) if all(units.values()) else float(steps)

    def _after(self, sequential: SequentialSeeds, rows: Sequence[Mapping[str, Any]]) -> list[Run]:
        """Runs that may start once some rows are there, in the order of seeds."""
        columns = {name: [row.get(name) for row in rows] for name in WAITING_COLUMNS}
        for row, wait in zip(rows, waiting_times(columns), strict=True):
            event = None if row["status"] == FAILED else row["event"]
            sequential.add(row["arm"], row["seed"], self._in_unit(row["arm"], wait), event)
        is_new, given = sequential.update(), sequential.release()
        if is_new or given:
            self._recorder.flush()
            self._directory.document["looks"] = sequential.records
            self._directory.document["study"]["seeds"] = dict(sequential.released)
            self._directory.save_document()
        pairs = sorted((seed, arm) for arm, seeds in given.items() for seed in seeds)
        return [self._index[arm, seed] for seed, arm in pairs]

    def run_forks(self) -> None:
        """Forks the runs that are stored, and notes where."""
        plan = with_forks(self.plan, self._parents())
        for name, step in plan.fork_steps.items():
            if step is not None and not any(run.arm_name == name for run in plan.runs):
                print(f"note: no forks of {name!r}: no run waits at step {step}", file=sys.stderr)
            if step is None:
                print(
                    f"note: no forks of {name!r}: half of its runs have not left their plateau, or all left it at once",
                    file=sys.stderr,
                )
        self._directory.document["identity"]["fork_step"] = plan.fork_steps
        self._directory.save_document()
        self.run(plan.runs)

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
            for name, number in self.plan.study.seeds_by_arm.items()
        }
        return {name: ParentOutcomes(seed[of], time[of], event[of]) for name, of in chosen.items()}

    @property
    def has_kept(self) -> bool:
        """Whether anything of this study is stored that would be a loss."""
        return bool(self._num_stored or self._recorder.num_rows or self._checkpoints.steps())

    def describe_stored(self) -> str:
        """What is stored, in words."""
        num_stored = self._num_stored + self._recorder.num_rows
        num_kept = len(self._checkpoints.steps())
        return f"{num_stored} finished runs are stored, and {num_kept} as they stand"

    def end(self, signal_name: str | None = None) -> None:
        """Notes when the launch ended, and what it took.

        Args:
            signal_name: that ended it early, or `None`.
        """
        recorder = self._recorder
        if signal_name is not None:
            self._directory.document["launches"][-1]["ended_by"] = signal_name
        self._directory.document["launches"][-1].update(
            ended=provenance.now(),
            seconds=round(time.monotonic() - self._started, 3),
            first_chunk_after=recorder.first_chunk_after,
            seed_steps=recorder.seed_steps,
            num_runs=self._num_runs,
            num_workers=self._crew.num_workers,
        )
        self._directory.save_document()
