"""Runs of a study as they would have come out at a shorter horizon."""

from typing import Any

import numpy as np

from engine.designs import is_of_grid
from engine.plateau import DetectorSettings, event_code, find_break
from engine.report.runs import ArmRuns
from engine.store import WorkDirectory

_COLUMNS = ("arm", "seed", "order_seed", "fork_step", "steps", "loss")


def at_horizon(directory: WorkDirectory, runs: ArmRuns, steps: float) -> ArmRuns:
    """The repetitions of an arm, read anew from their curves up to a horizon.

    Whether a run has left chance level depends on where its curve ends, so a time that was read at
    one horizon cannot be compared with times of another.

    Args:
        directory: of the study.
        runs: of the arm.
        steps: the horizon, not beyond that of the arm.
    """
    is_over = runs.time <= steps
    if runs.waits_for == "break":
        outcomes = _outcomes(directory, runs, steps)
        event = np.array([event_code(status) for status, _ in outcomes])
        onset = np.array([steps if time is None else time for _, time in outcomes], np.float64)
        # A divergence is known from every step, not only from the curve.
        has_diverged = (runs.event == 2) & is_over
        event = np.where(has_diverged, 2, event)
        time = np.where(has_diverged, runs.time, onset)
        status = [status for status, _ in outcomes]
    else:
        event = np.where(is_over, runs.event, 0)
        time = np.minimum(runs.time, steps)
        status = [s if over else "stuck" for s, over in zip(runs.status, is_over, strict=True)]
    return runs._replace(status=status, event=event, time=time, horizon=int(steps))


def _outcomes(
    directory: WorkDirectory, runs: ArmRuns, steps: float
) -> list[tuple[str, float | None]]:
    """Status and onset of every repetition at the horizon, in the order of seeds."""
    settings = DetectorSettings(**directory.document["identity"]["detector"])
    found: dict[int, tuple[str, float | None]] = {}
    for table in directory.iterate(_COLUMNS):
        for row in _of_arm(table, runs.name):
            at, loss = (np.asarray(row[name], np.float64) for name in ("steps", "loss"))
            is_before = at <= steps
            is_short = np.sum(is_before) < 2
            if is_short:
                found[row["seed"]] = ("stuck", None)
                continue
            outcome = find_break(
                at[is_before], loss[is_before], runs.chance_loss, settings=settings
            )
            found[row["seed"]] = (outcome.status, outcome.onset_step)
    return [found[int(seed)] for seed in runs.seed]


def _of_arm(table: Any, name: str) -> list[dict[str, Any]]:
    """The repetitions of an arm in a part."""
    import pyarrow.compute as pc

    chosen = table.filter(pc.equal(table["arm"], name)).to_pylist()
    return [row for row in chosen if row["fork_step"] is None and not is_of_grid(row["order_seed"])]
