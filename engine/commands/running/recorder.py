"""Turns what workers bring into rows and checkpoints on disk."""

import time
from collections.abc import Sequence
from typing import Any

from engine.commands.running.progress import Progress
from engine.lanes.runs import Checkpoint, Run, run_key
from engine.lanes.to_row import failed_row, outcome_row
from engine.observers import Observer, StudyProgress
from engine.store import RUN_KEY, WorkDirectory, provenance
from engine.store.checkpoints import CheckpointFolder, Kept
from engine.studies.expand import Plan
from engine.workers import Delivery

_SECONDS_PER_PART = 2.0


class Recorder:
    """Turns finished runs into rows, and writes them as parts of a few seconds each.

    Args:
        plan: of the study.
        directory: where rows go.
        checkpoints: where runs under way go.
        observers: that are told of every chunk.

    Attributes:
        progress: that is told of everything.
        checkpoints: of runs under way.
        num_rows: that were made.
        seed_steps: that were trained.
        first_chunk_after: seconds from the start of the process, or `None` before the first one.
    """

    def __init__(
        self, plan: Plan, directory: WorkDirectory, checkpoints: CheckpointFolder, observers: Sequence[Observer] = ()
    ) -> None:
        self.progress = Progress(0, 0, False)
        self.num_rows = 0
        self.seed_steps = 0
        self.first_chunk_after: float | None = None
        self._group = plan.group_of
        self._plan = plan
        self._detector = plan.study.detector
        self._directory, self.checkpoints = directory, checkpoints
        self._observers = observers
        self._planned_runs = self._planned_steps = self._num_stored = 0
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def expect(self, num_runs: int, num_steps: int = 0, num_stored: int = 0) -> None:
        """Notes what there is to do besides.

        Args:
            num_runs: of the study.
            num_steps: of them that are to be taken.
            num_stored: of them that are over already.
        """
        self._planned_runs += num_runs
        self._planned_steps += num_steps
        self._num_stored += num_stored

    def repeat(self, num_steps: int) -> None:
        """Notes steps that have to be taken again."""
        self._planned_steps += num_steps
        self.progress.repeat(num_steps)

    def take(self, delivery: Delivery) -> list[dict[str, Any]]:
        """Notes what one chunk brought; the rows of the runs that are over."""
        if self.first_chunk_after is None:
            self.first_chunk_after = round(provenance.seconds_since_start(), 3)
        rows: list[dict[str, Any]] = []
        for finished in delivery.finished:
            group = self._group[finished.run.arm_name]
            rows.append(outcome_row(finished, group.chance_loss, self._detector, group.event))
        self._add(rows)
        self.seed_steps += delivery.seed_steps
        skipped = sum(f.run.horizon - f.batch_loss.size for f in delivery.finished)
        self._planned_steps -= skipped
        self.progress.update(delivery.seed_steps, [row["status"] for row in rows], skipped)
        self._tell(rows)
        return rows

    def give_up(self, run: Run) -> list[dict[str, Any]]:
        """Notes a run that has ended its worker twice; its row."""
        row = failed_row(run, self._group[run.arm_name].chance_loss)
        self._add([row])
        left = run.horizon - self.checkpoints.steps().get(run_key(run), 0)
        self._planned_steps -= left
        self.progress.update(0, [row["status"]], left)
        self._tell([row])
        return [row]

    def _tell(self, rows: Sequence[dict[str, Any]]) -> None:
        share = min(self.seed_steps / max(self._planned_steps, 1), 1.0)
        standing = StudyProgress(self._num_stored + self.num_rows, self._planned_runs, share)
        for observer in self._observers:
            observer.on_rows(rows, standing)

    def _add(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows += rows
        self.num_rows += len(rows)
        if time.monotonic() - self._written > _SECONDS_PER_PART:
            self.flush()

    def keep(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Stores runs as they stand, after those that are over: their checkpoints may go then."""
        self.flush()
        self.checkpoints.keep([(run_key(c.run), Kept(c.step, c.arrays)) for c in checkpoints])

    def find(self, run: Run) -> Checkpoint | None:
        """A run as it was last kept, or `None`."""
        kept = self.checkpoints.find(run_key(run))
        return None if kept is None else Checkpoint(run, *kept)

    def fall_back(self, group: int, reason: str) -> None:
        """Records that a group of arms is computed in the native form, and says why."""
        names = self._plan.groups[group].arm_names
        # Begun in one form and ended in another, a run could not be made again.
        self.checkpoints.forget([key for key in self.checkpoints.steps() if key[0] in names])
        for name in names:
            self._directory.document["identity"]["form"][name] = "native"
        self._directory.save_document()
        self.progress.note(
            f"{', '.join(names)}: computed in the native form, which is slow, because the "
            f"rewritten network disagrees with it: {reason}"
        )

    def flush(self) -> None:
        """Writes the rows that are not yet on disk."""
        if self._rows:
            self._directory.append(self._rows)
            self.checkpoints.forget([tuple(row[n] for n in RUN_KEY) for row in self._rows])
        self._rows = []
        self._written = time.monotonic()
