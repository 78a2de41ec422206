"""One training on the host: what names it, what it leaves behind on the way, and in the end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ..arms.arm import Arm
from ..training.probes.measuring import DiagnosticSet, Series
from ..training.stopping import NEVER
from .lane import DiagnosticValues, Measurement, Record, Status


class Run(NamedTuple):
    """One training run: a resolved arm, its seeds (`seed` numbers the repetition), and its length in steps.

    A fork follows the data order and noise of `fork_order_seed` from `fork_step` on, a multiple of the evaluation
    interval; for other runs both are `None`.
    """

    arm_name: str
    arm: Arm
    seed: int
    init_seed: int
    order_seed: int
    noise_seed: int
    horizon: int
    fork_step: int | None = None
    fork_order_seed: int | None = None

    @classmethod
    def of_seed(cls, arm_name: str, arm: Arm, seed: int, horizon: int) -> "Run":
        """Makes the run that uses one seed in every role."""
        return cls(arm_name, arm, seed, seed, seed, seed, horizon)


class FinishedRun(NamedTuple):
    """A run that has ended.

    `curves` (metrics by name, `[num_points]`) are evaluated at `steps`, from 0 up to a divergence, and `inspected`
    `[num_inspections]` at `inspected_steps`; `batch_loss` has every step. `hitting_step` is when the task's own event
    happened before any divergence, or `None`. `stop_reason` is `horizon`, `diverged`, `hit` or `settled`.
    `diagnostics` `[num_measured]` hold values before a step, or `None` for a series that the arm lacks.
    """

    run: Run
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    inspected_steps: np.ndarray
    inspected: dict[str, np.ndarray]
    batch_loss: np.ndarray
    diverged_step: int | None
    hitting_step: int | None
    stop_reason: str
    diagnostics_steps: np.ndarray | None = None
    diagnostics: dict[Series, np.ndarray | None] | None = None


class History(NamedTuple):
    """What a run in a lane has recorded so far; `measurements` begin before the first chunk."""

    run: Run
    records: list[Record]
    measurements: list[Measurement]
    diagnostics: list[DiagnosticValues]

    @property
    def last_step(self) -> int:
        """The step that the run has reached."""
        return int(self.records[-1].step[-1]) if self.records else 0


def finish(history: History, status: Status, diagnostic_set: DiagnosticSet | None = None) -> FinishedRun:
    """Puts together what a run has left behind once it is over; `status` is that of its lane."""
    diverged_step, hitting_step = _step_or_none(status.diverged_step), _step_or_none(status.hitting_step)
    # What comes first counts; the rest of its evaluation interval was trained all the same.
    if hitting_step is not None and diverged_step is not None and hitting_step >= diverged_step:
        hitting_step = None
    end = np.inf if diverged_step is None else diverged_step
    records: Record = concatenated(history.records)
    is_before = records.step < end
    first, *later = history.measurements
    inspected = {int(m.step): m.inspection for m in (first, *(m for m in later if m.step < end))}
    diagnostics_steps, diagnostics = _diagnostics_before(end, history, diagnostic_set)
    return FinishedRun(
        run=history.run,
        steps=np.append(0, records.step[is_before]).astype(np.int64),
        curves={
            name: np.append(getattr(first.evaluation, name), values[is_before]).astype(np.float32)
            for name, values in _present(records.evaluation).items()
        },
        inspected_steps=np.asarray(list(inspected), np.int64),
        inspected={
            name: np.asarray([getattr(one, name) for one in inspected.values()], np.float32)
            for name in _present(first.inspection)
        },
        batch_loss=np.asarray(records.batch_loss).reshape(-1),
        diverged_step=diverged_step,
        hitting_step=hitting_step,
        stop_reason=_stop_reason(history.run, status, diverged_step, hitting_step),
        diagnostics_steps=diagnostics_steps,
        diagnostics=diagnostics,
    )


def _step_or_none(step: Any) -> int | None:
    return None if step == NEVER else int(step)


def _stop_reason(run: Run, status: Status, diverged_step: int | None, hitting_step: int | None) -> str:
    if hitting_step is not None:
        return "hit"
    if diverged_step is not None:
        return "diverged"
    return "settled" if status.step < run.horizon else "horizon"


def _present(info: Any) -> dict[str, Any]:
    return {name: value for name, value in info._asdict().items() if value is not None}


def _diagnostics_before(
    end: float, history: History, diagnostic_set: DiagnosticSet | None
) -> tuple[np.ndarray | None, dict[Series, np.ndarray | None] | None]:
    if diagnostic_set is None:
        return None, None
    found: DiagnosticValues = concatenated(history.diagnostics)
    is_before = found.step < end
    curves = {series: np.asarray(found.values)[is_before, i] for i, series in enumerate(diagnostic_set.series)}
    absent = {Series(name, ""): None for name in diagnostic_set.absent}
    return np.asarray(found.step)[is_before].astype(np.int64), {**curves, **absent}


def concatenated(parts: Sequence[Any]) -> Any:
    """Joins trees of arrays along their first axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def copied(tree: Any, index: tuple[int | slice, ...]) -> Any:
    """Copies one entry of stacked arrays, without a reference to the rest of them."""
    return jax.tree.map(lambda a: np.array(a[index]), tree)


def seed_columns(run: Run) -> dict[str, Any]:
    """Returns the arm's name and the seeds of a run by their columns in the store."""
    names = ("seed", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed")
    return {"arm": run.arm_name, **{name: getattr(run, name) for name in names}}


def run_key(run: Run) -> tuple[Any, ...]:
    """Returns what names the run in the store, see `store.RUN_KEY`."""
    return (run.arm_name, run.init_seed, run.order_seed, run.noise_seed, run.fork_step, run.fork_order_seed)
