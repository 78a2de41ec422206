"""What came of a curve, as columns of the store."""

from typing import Any

from engine.outcomes.offline import PlateauBreak, event_code

_COLUMNS = (
    "is_diverged_later",
    "onset_step",
    "onset_lower",
    "onset_upper",
    "half_step",
    "width_steps",
    "suddenness",
    "num_breaks",
    "is_coarse",
    "end_loss",
    "best_minus_end",
)


def outcome_columns(outcome: PlateauBreak) -> dict[str, Any]:
    """Status, event, times and stairs of an outcome, by the name of their column."""
    return {
        "status": outcome.status,
        "event": event_code(outcome.status),
        **{name: getattr(outcome, name) for name in _COLUMNS},
        "stairs": [stair._asdict() for stair in outcome.stairs],
    }
