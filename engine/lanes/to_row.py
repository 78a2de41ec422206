"""The row of a finished run: its seeds, its outcome and its curves."""

from typing import Any

import numpy as np

from ..outcomes import FAILED, DetectorSettings, event_code
from ..outcomes.curve_columns import MEASURED, columns_of_break, levels
from ..outcomes.event import Event
from .runs import FinishedRun, Run, seed_columns


def outcome_row(finished: FinishedRun, chance_loss: float, detector: DetectorSettings, event: Event) -> dict[str, Any]:
    """Detects the outcome of a finished run that waits for an event, and returns its row."""
    held_out = {name: finished.inspected.get(f"held_out_{name}") for name in MEASURED}
    find = _break_columns if event == Event.BREAK else _hit_columns
    return {
        **seed_columns(finished.run),
        "chance_loss": chance_loss,
        **{f"end_held_out_{name}": None if curve is None else curve[-1] for name, curve in held_out.items()},
        "steps": finished.steps,
        "batch_loss": finished.batch_loss,
        **finished.curves,
        "inspected_steps": finished.inspected_steps,
        **finished.inspected,
        **_diagnostics_columns(finished),
        **find(finished, chance_loss, detector),
    }


def failed_row(run: Run, chance_loss: float) -> dict[str, Any]:
    """Returns the row of a run that is given up because it ended its worker: it has no outcome."""
    failure = {"status": FAILED, "event": 0, "stop_reason": FAILED, "chance_loss": chance_loss, "steps_run": 0}
    return {**seed_columns(run), **failure}


def _diagnostics_columns(finished: FinishedRun) -> dict[str, Any]:
    if finished.diagnostics is None:
        return {}

    series = [
        {
            "name": of.name,
            "layer": of.layer or None,
            "values": None if values is None else [float(v) if np.isfinite(v) else None for v in values],
        }
        for of, values in finished.diagnostics.items()
    ]
    return {"diagnostics_steps": finished.diagnostics_steps, "diagnostics": series}


def _break_columns(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    return columns_of_break(
        finished.steps, finished.curves, chance_loss, detector, finished.diverged_step, finished.stop_reason
    )


def _hit_columns(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    has_diverged = finished.diverged_step is not None
    status, last = "diverged" if has_diverged else "stuck", finished.diverged_step
    if finished.hitting_step is not None:
        status, last = "broke", finished.hitting_step
    return {
        "status": status,
        "event": event_code(status),
        "stop_reason": finished.stop_reason,
        "steps_run": int(finished.steps[-1]) if last is None else last,
        "hitting_step": finished.hitting_step,
        "is_diverged_later": status == "broke" and has_diverged,
        "num_breaks": 0,
        "end_loss": float(finished.curves["loss"][-1]) if len(finished.steps) else None,
        **levels(finished.steps, finished.curves, None, detector),
    }
