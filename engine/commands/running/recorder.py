"""Writes what workers deliver: rows and checkpoints."""

import time
from collections.abc import Sequence
from typing import Any

from engine.commands.running.progress import ProgressBar
from engine.lanes.checkpoint import Checkpoint
from engine.lanes.runs import Run, run_key
from engine.lanes.to_row import failed_row
from engine.observers import Observer, StudyProgress
from engine.store import RUN_KEY, WorkDirectory, provenance
from engine.store.checkpoints import CheckpointFolder, Kept
from engine.studies.expand import ExpandedStudy
from engine.workers import Delivery

_SECONDS_PER_PART = 2.0


class Recorder:
    """Writes rows as parts of a few seconds each, and tells the progress bar and the observers.

    Attributes:
        seed_steps: steps that were trained, summed over runs.
        first_chunk_after: seconds from the start of the process, or `None` before the first chunk.
    """

    def __init__(
        self,
        study: ExpandedStudy,
        directory: WorkDirectory,
        checkpoints: CheckpointFolder,
        observers: Sequence[Observer],
    ) -> None:
        self.bar = ProgressBar()
        self.num_rows = self.seed_steps = 0
        self.first_chunk_after: float | None = None
        self._study, self._directory, self.checkpoints, self._observers = study, directory, checkpoints, observers
        self._planned_runs = self._planned_steps = self._num_stored = 0
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def expect_stored(self, num_runs: int) -> None:
        """Notes runs that an earlier launch has finished."""
        self._planned_runs += num_runs
        self._num_stored += num_runs

    def expect(self, num_runs: int, num_steps: int) -> None:
        """Notes further runs, or steps that have to be done again."""
        self._planned_runs += num_runs
        self._planned_steps += num_steps
        self.bar.extend(num_runs, num_steps)

    def take(self, delivery: Delivery) -> list[dict[str, Any]]:
        """Takes what one chunk brought, and returns its rows."""
        if self.first_chunk_after is None:
            self.first_chunk_after = round(provenance.seconds_since_start(), 3)
        self.seed_steps += delivery.seed_steps
        num_skipped = sum(completed.run.horizon - completed.num_steps for completed in delivery.completed)
        return self._add([completed.row for completed in delivery.completed], delivery.seed_steps, num_skipped)

    def give_up(self, run: Run) -> list[dict[str, Any]]:
        """Takes a run that has ended its worker twice, and returns its row."""
        row = failed_row(run, self._study.program_of[run.arm_name].chance_loss)
        return self._add([row], 0, run.horizon - self.checkpoints.steps().get(run_key(run), 0))

    def _add(self, rows: list[dict[str, Any]], num_steps: int, num_skipped: int) -> list[dict[str, Any]]:
        self._rows += rows
        self.num_rows += len(rows)
        if time.monotonic() - self._written > _SECONDS_PER_PART:
            self.flush()
        self._planned_steps -= num_skipped
        self.bar.update(num_steps, [row["status"] for row in rows], num_skipped)
        share = min(self.seed_steps / max(self._planned_steps, 1), 1.0)
        standing = StudyProgress(self._num_stored + self.num_rows, self._planned_runs, share)
        for observer in self._observers:
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
        names = self._study.programs[group].arm_names
        # Begun in one form and ended in another, a run could not be made again.
        self.checkpoints.forget([key for key in self.checkpoints.steps() if key[0] in names])
        self._directory.document["identity"]["form"].update(dict.fromkeys(names, "native"))
        self._directory.save_document()
        self.bar.note(
            f"{', '.join(names)}: computed in the native form, which is slow, because the rewritten network "
            f"disagrees with it: {reason}"
        )

    def flush(self) -> None:
        """Writes the rows that are not yet on disk."""
        if self._rows:
            self._directory.append(self._rows)
            self.checkpoints.forget([tuple(row[n] for n in RUN_KEY) for row in self._rows])
        self._rows = []
        self._written = time.monotonic()
