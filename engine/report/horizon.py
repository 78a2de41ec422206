"""Runs of a study as they would have come out at a shorter horizon."""

import numpy as np

from engine.outcomes import DetectorSettings, event_code, find_break
from engine.outcomes.event import Event
from engine.report.arm_runs import ArmRuns, repetition_curves
from engine.store import WorkDirectory


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
    if runs.waits_for == Event.BREAK:
        outcomes = _outcomes(directory, runs, steps)
        event = np.array([event_code(status) for status, _ in outcomes])
        ends = np.minimum(steps, np.asarray(runs.rows["steps_run"], np.float64))
        onset = np.array([end if t is None else t for (_, t), end in zip(outcomes, ends, strict=True)])
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


def _outcomes(directory: WorkDirectory, runs: ArmRuns, steps: float) -> list[tuple[str, float | None]]:
    """Status and onset of every repetition at the horizon, in the order of seeds."""
    settings = DetectorSettings(**directory.document["identity"]["detector"])
    found: dict[int, tuple[str, float | None]] = {}
    for arm, seed, curve in repetition_curves(directory):
        if arm != runs.name:
            continue
        is_before = curve.steps <= steps
        if np.sum(is_before) < 2:
            found[seed] = ("stuck", None)
            continue
        outcome = find_break(curve.steps[is_before], curve.loss[is_before], runs.chance_loss, settings=settings)
        found[seed] = (outcome.status, outcome.onset_step)
    return [found[int(seed)] for seed in runs.seed]
