"""The content of `summary.json`: the numbers of a study for other programs."""

from typing import Any

import numpy as np

from ..outcomes import FAILED
from ..statistics import LEVEL
from .summary import Summary

# What is said of the runs of an arm besides their statistics.
_FIELDS_OF_RUNS = ("num_stored", "num_planned", "steps_per_epoch", "chance_loss")


def to_document(summary: Summary, verdict: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of `summary.json` without sections; what is infinite or does not exist is null."""
    arms = {
        name: {
            **jsonable(arm),
            "statuses": {**arm.statuses, FAILED: arm.num_failed},
            **{field: getattr(summary.runs[name], field) for field in _FIELDS_OF_RUNS},
            "horizon_steps": summary.runs[name].horizon,
            **{kind: summary.notes(kind).get(name, []) for kind in ("data_notes", "network_notes")},
        }
        for name, arm in summary.arms.items()
    }
    return {
        "name": summary.document["study"]["name"],
        "question": summary.document["study"]["question"],
        "unit": summary.unit,
        "baseline": summary.baseline,
        "confidence": 1 - LEVEL,
        "arms": arms,
        "failed_arms": summary.failed,
        "comparisons": jsonable(summary.comparisons),
        "chance_or_fate": {},
        "looks": summary.looks,
        "of_logs": summary.is_of_logs,
        "verdict": verdict,
    }


def jsonable(value: Any) -> Any:
    """Converts named tuples to objects, and what is infinite or no number to null."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
