"""The row of a finished run: who it was, what came of it, and its curves."""

import math
from typing import Any

import numpy as np

from engine.lanes import FinishedRun
from engine.plateau import DetectorSettings, event_code, find_break


def outcome_row(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict:
    """The row of a finished run: who it was, what came of it, and its curves."""
    run, curves = finished.run, finished.curves
    outcome = find_break(
        finished.steps,
        curves["loss"],
        chance_loss,
        diverged_step=finished.diverged_step,
        settings=detector,
    ) if len(finished.steps) >= 2 else None  # fmt: skip
    status = outcome.status if outcome else "diverged"
    diverged_step = outcome.diverged_step if outcome else finished.diverged_step
    row: dict[str, Any] = {
        "arm": run.arm_name,
        "seed": run.seed,
        "init_seed": run.init_seed,
        "order_seed": run.order_seed,
        "noise_seed": run.noise_seed,
        "status": status,
        "event": event_code(status),
        "stop_reason": "horizon" if diverged_step is None else "diverged",
        "chance_loss": chance_loss,
        "end_accuracy": _end_accuracy(curves.get("accuracy"), detector),
        "steps_run": run.horizon if diverged_step is None else round(diverged_step),
        "steps": finished.steps,
        "batch_loss": finished.batch_loss,
        **curves,
    }
    if outcome is not None:
        for name in _OUTCOME_COLUMNS:
            row[name] = getattr(outcome, name)
    else:
        row.update(is_diverged_later=False, num_breaks=0)
    return row


_OUTCOME_COLUMNS = (
    "is_diverged_later",
    "onset_step",
    "onset_lower",
    "onset_upper",
    "half_step",
    "width_steps",
    "suddenness",
    "num_breaks",
    "end_loss",
    "best_minus_end",
)


def _end_accuracy(accuracy: np.ndarray | None, detector: DetectorSettings) -> float | None:
    if accuracy is None:
        return None
    num_end = max(1, math.ceil(detector.end_fraction * len(accuracy)))
    return float(np.median(accuracy[-num_end:]))
