"""The row of a finished run: its seeds, its outcome and its curves."""

from typing import Any

import numpy as np

from engine.lanes.runs import FinishedRun, Run, seed_columns
from engine.outcomes import FAILED, DetectorSettings, end_level, event_code, find_break, outcome_columns
from engine.outcomes.event import Event


def outcome_row(finished: FinishedRun, chance_loss: float, detector: DetectorSettings, event: Event) -> dict[str, Any]:
    """Detects the outcome of a finished run that waits for an event of its task, and returns its row."""
    curves = finished.curves
    accuracy, held_out = curves.get("accuracy"), finished.inspected.get("held_out_accuracy")
    find = _break_columns if event == Event.BREAK else _hit_columns
    outcome = find(finished, chance_loss, detector)
    return {
        **seed_columns(finished.run),
        "chance_loss": chance_loss,
        "onset_accuracy": _value_at(outcome.get("onset_step"), finished.steps, accuracy),
        "end_accuracy": None if accuracy is None else end_level(accuracy, detector),
        "end_held_out_accuracy": None if held_out is None else held_out[-1],
        "steps": finished.steps,
        "batch_loss": finished.batch_loss,
        **curves,
        "inspected_steps": finished.inspected_steps,
        **finished.inspected,
        **_diagnostics_columns(finished),
        **outcome,
    }


def failed_row(run: Run, chance_loss: float) -> dict[str, Any]:
    """Returns the row of a run that is given up because it ended its worker: it has no outcome."""
    return {
        **seed_columns(run),
        "status": FAILED,
        "event": 0,
        "stop_reason": FAILED,
        "chance_loss": chance_loss,
        "steps_run": 0,
    }


def _value_at(time: float | None, steps: np.ndarray, curve: np.ndarray | None) -> float | None:
    return None if time is None or curve is None else float(np.interp(time, steps, curve))


def _diagnostics_columns(finished: FinishedRun) -> dict[str, Any]:
    """The diagnostics of a run; a value that is not finite is missing."""
    if finished.diagnostics is None:
        return {}

    def plain(values: np.ndarray | None) -> list[float | None] | None:
        if values is None:
            return None
        return [float(v) if np.isfinite(v) else None for v in values]

    series = [
        {"name": of.name, "layer": of.layer or None, "values": plain(values)}
        for of, values in finished.diagnostics.items()
    ]
    return {"diagnostics_steps": finished.diagnostics_steps, "diagnostics": series}


def _break_columns(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    """The outcome of a run that waits for the break of its loss curve."""
    outcome = find_break(
        finished.steps, finished.curves["loss"], chance_loss, diverged_step=finished.diverged_step, settings=detector
    )
    has_diverged = outcome.diverged_step is not None
    return {
        **outcome_columns(outcome),
        "stop_reason": "diverged" if has_diverged else finished.stop_reason,
        "steps_run": _steps_run(finished, outcome.diverged_step),
    }


def _hit_columns(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    """The outcome of a run that waits for the first time at which its task's set is reached."""
    has_diverged = finished.diverged_step is not None
    status = "diverged" if has_diverged else "stuck"
    if finished.hitting_step is not None:
        status = "broke"
    last = finished.diverged_step if finished.hitting_step is None else finished.hitting_step
    return {
        "status": status,
        "event": event_code(status),
        "stop_reason": finished.stop_reason,
        "steps_run": _steps_run(finished, last),
        "hitting_step": finished.hitting_step,
        "is_diverged_later": status == "broke" and has_diverged,
        "num_breaks": 0,
        "end_loss": float(finished.curves["loss"][-1]) if len(finished.steps) else None,
    }


def _steps_run(finished: FinishedRun, last: float | None) -> int:
    return int(finished.steps[-1]) if last is None else round(last)
