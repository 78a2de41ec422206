"""The row of a finished run: who it was, what came of it, and its curves."""

from typing import Any

from engine.lanes import FinishedRun
from engine.plateau import DetectorSettings, end_level, event_code, find_break


def outcome_row(
    finished: FinishedRun, chance_loss: float, detector: DetectorSettings
) -> dict[str, Any]:
    """The row of a finished run: who it was, what came of it, and its curves."""
    run, curves = finished.run, finished.curves
    outcome = find_break(
        finished.steps,
        curves["loss"],
        chance_loss,
        diverged_step=finished.diverged_step,
        settings=detector,
    )
    accuracy = curves.get("accuracy")
    return {
        "arm": run.arm_name,
        "seed": run.seed,
        "init_seed": run.init_seed,
        "order_seed": run.order_seed,
        "noise_seed": run.noise_seed,
        "status": outcome.status,
        "event": event_code(outcome.status),
        "stop_reason": finished.stop_reason if outcome.diverged_step is None else "diverged",
        "chance_loss": chance_loss,
        "end_accuracy": None if accuracy is None else end_level(accuracy, detector),
        "steps_run": (
            int(finished.steps[-1])
            if outcome.diverged_step is None
            else round(outcome.diverged_step)
        ),
        "steps": finished.steps,
        "batch_loss": finished.batch_loss,
        **curves,
        "inspected_steps": finished.inspected_steps,
        **finished.inspected,
        **{name: getattr(outcome, name) for name in _OUTCOME_COLUMNS},
    }


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
