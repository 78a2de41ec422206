"""One training: what names it, what it leaves behind on the way, and what is left in the end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from engine.config import Arm
from engine.lane_program import NOT_DIVERGED, NOT_HIT, Measurement, Record, Status


class Run(NamedTuple):
    """One training: an arm, its seeds, and how long it lasts.

    Attributes:
        arm_name, arm: what is trained; the arm is resolved.
        seed: number of the repetition.
        init_seed, order_seed, noise_seed: of its random streams.
        horizon: steps.
        fork_step: from which on data order and noise are those of `fork_order_seed`, a multiple of
            the evaluation interval; `None` for a run that follows its own streams to the end.
        fork_order_seed: of those streams.
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


class FinishedRun(NamedTuple):
    """A run that is over.

    Attributes:
        run: which.
        steps: at which the curves were evaluated, shape `[num_points]`, from 0; before the
            divergence where there was one.
        curves: evaluated metrics by name, each `[num_points]`.
        inspected_steps: at which the rarer curves were evaluated, shape `[num_inspections]`.
        inspected: rarer metrics by name, each `[num_inspections]`.
        batch_loss: loss of every mini-batch, shape `[num_steps]`.
        diverged_step: when it diverged, or `None`.
        hitting_step: when the task's own event happened, before it diverged, or `None`.
        stop_reason: `horizon`, `diverged`, `hit` or `settled`.
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


class History(NamedTuple):
    """What a run in a lane has left behind so far, on the host."""

    run: Run
    records: list[Record]
    measurements: list[Measurement]


def copied(tree: Any, index: tuple[int, ...]) -> Any:
    """One entry of stacked arrays, without a reference to the rest of them."""
    return jax.tree.map(lambda a: np.array(a[index]), tree)


def finish(history: History, status: Status) -> FinishedRun:
    """The run that a lane leaves behind when it is over."""
    batch_loss = [record.batch_loss for record in history.records]
    diverged_step = None
    if status.diverged_step != NOT_DIVERGED:
        diverged_step = int(status.diverged_step)
    first, *later = history.measurements

    def is_before(step: Any) -> bool:
        return diverged_step is None or int(step) < diverged_step

    records = [record for record in history.records if is_before(record.step)]
    inspections = {
        int(m.step): m.inspection for m in (first, *(m for m in later if is_before(m.step)))
    }
    hitting_step = None
    if status.hitting_step != NOT_HIT:
        hitting_step = int(status.hitting_step)
    # What comes first counts; the rest of its evaluation interval was trained all the same.
    if hitting_step is not None and diverged_step is not None and hitting_step >= diverged_step:
        hitting_step = None
    reason = "settled" if status.step < history.run.horizon else "horizon"
    if hitting_step is not None:
        reason = "hit"
    elif diverged_step is not None:
        reason = "diverged"
    return FinishedRun(
        run=history.run,
        steps=np.asarray([0, *(int(record.step) for record in records)], np.int64),
        curves=_stacked([first.evaluation, *(record.evaluation for record in records)]),
        inspected_steps=np.asarray(list(inspections), np.int64),
        inspected=_stacked(list(inspections.values())),
        batch_loss=np.concatenate(batch_loss) if batch_loss else np.zeros(0, np.float32),
        diverged_step=diverged_step,
        hitting_step=hitting_step,
        stop_reason=reason,
    )


def _stacked(infos: Sequence[Any]) -> dict[str, np.ndarray]:
    """Metrics by name, each with one entry per measurement; those that are `None` left out."""
    return {
        name: np.asarray([getattr(info, name) for info in infos], np.float32)
        for name in infos[0]._fields
        if getattr(infos[0], name) is not None
    }


def run_key(run: Run) -> tuple[Any, ...]:
    """What names the run in the store, see `store.RUN_KEY`."""
    return (
        run.arm_name,
        run.init_seed,
        run.order_seed,
        run.noise_seed,
        run.fork_step,
        run.fork_order_seed,
    )
