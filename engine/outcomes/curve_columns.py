"""The columns of a row that follow from its curves: outcome, end, and what was measured besides."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .event import Event
from .offline import FAILED, end_level, find_break, outcome_columns
from .settings import DetectorSettings

# Curves are stored in single precision, also those of logs that were looked at in double.
_SAME = 1e-5
# Curves at the same steps as the loss.
MEASURED = ("accuracy", "metric")


def columns_of_break(
    steps: np.ndarray,
    curves: Mapping[str, np.ndarray],
    chance_loss: float,
    detector: DetectorSettings,
    diverged_step: float | None,
    stop_reason: str | None,
) -> dict[str, Any]:
    """Detects the break of a run and returns the columns that depend on it.

    Args:
        steps: of the curves, `[num_points]`.
        curves: `loss` in nats, and those of `MEASURED` that there are, `[num_points]`.
        diverged_step: when the run is known to have diverged.
        stop_reason: why it ended if it has not diverged.
    """
    outcome = find_break(steps, curves["loss"], chance_loss, diverged_step=diverged_step, settings=detector)
    has_diverged = outcome.diverged_step is not None
    return {
        **outcome_columns(outcome),
        "stop_reason": "diverged" if has_diverged else stop_reason,
        "steps_run": round(outcome.diverged_step) if outcome.diverged_step is not None else int(steps[-1]),
        **levels(steps, curves, outcome.onset_step, detector),
    }


def levels(
    steps: np.ndarray, curves: Mapping[str, np.ndarray], onset: float | None, detector: DetectorSettings
) -> dict[str, Any]:
    """Returns the values of each of `MEASURED` at the onset and at the end, `None` where there is none."""
    found: dict[str, Any] = {}
    for name in MEASURED:
        curve = curves.get(name)
        at_onset = None if onset is None or curve is None else float(np.interp(onset, steps, curve))
        found[f"onset_{name}"], found[f"end_{name}"] = at_onset, None if curve is None else end_level(curve, detector)
    return found


def detect_again(row: Mapping[str, Any], event: Event, horizon: int, detector: DetectorSettings) -> dict[str, Any]:
    """Returns those of the columns of a stored row that the detector sees otherwise now.

    Args:
        row: its outcome columns, and `steps`, `loss` and `MEASURED` as arrays or `None`.
        event: what the run waited for; that of a task is no matter of a detector.
    """
    if event != Event.BREAK or row["status"] == FAILED or row["chance_loss"] is None:
        return {}
    steps, reason = row["steps"], row["stop_reason"]
    # A curve that goes on beyond the divergence was not cut in training: the detector found it.
    is_cut = reason == "diverged" and not (len(steps) and steps[-1] >= row["steps_run"] and np.isfinite(row["loss"][0]))
    if reason == "diverged" and not is_cut:
        reason = "horizon" if steps[-1] == horizon else None
    curves = {name: row[name] for name in ("loss", *MEASURED) if row[name] is not None}
    diverged_step = float(row["steps_run"]) if is_cut else None
    found = columns_of_break(steps, curves, row["chance_loss"], detector, diverged_step, reason)
    # Logs may have accuracies at other steps, which are kept as they were.
    kept = {f"{at}_{name}" for name in MEASURED if name not in curves for at in ("onset", "end")}
    found = {name: value for name, value in found.items() if name not in kept}
    return {name: value for name, value in found.items() if not _are_same(value, row[name])}


def _are_same(one: Any, other: Any) -> bool:
    """Whether two values of a column are the same but for rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_are_same(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_are_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)
