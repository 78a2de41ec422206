"""The runs of an arm as they would have come out at a shorter horizon."""

import numpy as np

from engine.outcomes import DetectorSettings, event_code, find_break
from engine.outcomes.event import Event
from engine.report.arm_runs import ArmRuns, LossCurve, read_losses
from engine.store.run_table import RunTable


def at_horizon(table: RunTable, runs: ArmRuns, steps: float) -> ArmRuns:
    """Detects the outcomes of the repetitions of an arm anew, from their curves up to a horizon.

    Whether a run has left chance level depends on where its curve ends, so a time that was read at
    one horizon cannot be compared with times of another.

    Args:
        table: of the study.
        runs: of the arm.
        steps: the horizon, not beyond that of the arm.
    """
    is_over = runs.time <= steps
    if runs.waits_for == Event.BREAK:
        settings = DetectorSettings(**table.directory.document["identity"]["detector"])
        curves = read_losses(table, table.is_of(runs.name) & table.is_repetition & table.has_outcome)
        by_seed = {int(table.seed[row]): curve for row, curve in curves.items()}
        found = [_detect(by_seed[seed], steps, runs.chance_loss, settings) for seed in runs.seed.tolist()]
        status = [status for status, _ in found]
        ends = np.minimum(steps, np.asarray(runs.rows["steps_run"], np.float64))
        onsets = np.array([np.nan if onset is None else onset for _, onset in found], np.float64)
        # A divergence is known from every step, not only from the curve.
        has_diverged = (runs.event == 2) & is_over
        event = np.where(has_diverged, 2, [event_code(one) for one in status])
        time = np.where(has_diverged, runs.time, np.where(np.isnan(onsets), ends, onsets))
    else:
        status = [s if over else "stuck" for s, over in zip(runs.status, is_over, strict=True)]
        event = np.where(is_over, runs.event, 0)
        time = np.minimum(runs.time, steps)
    return runs._replace(status=status, event=event, time=time, horizon=int(steps))


def _detect(curve: LossCurve, steps: float, chance_loss: float, settings: DetectorSettings) -> tuple[str, float | None]:
    """Returns the status of a run and its onset, or None without one."""
    is_before = curve.steps <= steps
    if np.sum(is_before) < 2:
        return "stuck", None
    outcome = find_break(curve.steps[is_before], curve.loss[is_before], chance_loss, settings=settings)
    return outcome.status, outcome.onset_step
