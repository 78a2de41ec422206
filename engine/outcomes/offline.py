"""The reference detector: a whole curve at once, in NumPy.

Every loss is scaled by chance, `ρ(t) = 1 − L(t)/H`: 0 is the best constant prediction, 1 is perfect. The curve is
smoothed by a running median, made non-decreasing, and read off at levels; `rise` describes how noise is dealt with.

A large network may start far above chance. Its fall to chance is neither a plateau nor part of the rise: the delay
counts from its arrival at chance, and the width from chance upwards.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .rise import Stair, find_onset, find_rise, find_stairs
from .settings import DetectorSettings
from .smoothing import first_time_at, running_median

STATUSES: dict[str, str] = {
    "broke": "left its initial plateau suddenly",
    "no_plateau": "learned from the start, without a plateau",
    "shoulder": "learned after a delay too short to call a plateau",
    "stuck": "has not left chance level by the horizon",
    "diverged": "the training loss blew up",
}
# The status of a run without a curve, because it crashed its worker again and again.
FAILED = "failed"
_GRID_SHARE = 0.25  # of the width: a grid is fine enough if its points lie no further apart
# A loss may be so many times that of chance whose square is still a number; targets of 1e-40 make them.
_MOST_RELATIVE = 1e100
_EVENTS = {"broke": 1, "no_plateau": 1, "shoulder": 1, "stuck": 0, "diverged": 2}


def event_code(status: str) -> int:
    """Returns 0 for a censored run, 1 for one that left chance level, 2 for one that diverged."""
    return _EVENTS[status]


class PlateauBreak(NamedTuple):
    """The outcome of one curve. Times are in steps, losses in nats; `None` means "does not exist".

    Attributes:
        status: one of `STATUSES`.
        onset_step: when ρ leaves 0.05 for good, between the evaluations onset_lower and onset_upper.
        rise_step, half_step: when ρ reaches 10 % and half of ρ_end.
        width_steps: 8 × the shortest time for a rise by 10 % of ρ_end; `None` if the curve had learned before it began.
        suddenness: time from the first arrival at chance (ρ ≥ −0.05) to `rise_step`, over `width_steps`.
        end_loss: median loss of the last points.
        best_minus_end: ρ_max − ρ_end of the smoothed curve: what was lost again.
        is_diverged_later: whether the loss blew up, at `diverged_step`, after a break.
        stairs: the rises that further plateaus separate, `num_breaks` of them.
        grid_steps: longest time between evaluations, from the onset to `half_step` if there is an onset.
        is_coarse: whether that exceeds a quarter of the width: the break falls between evaluations.
    """

    status: str
    chance_loss: float
    onset_step: float | None = None
    onset_lower: float | None = None
    onset_upper: float | None = None
    rise_step: float | None = None
    half_step: float | None = None
    width_steps: float | None = None
    suddenness: float | None = None
    num_breaks: int = 0
    end_loss: float | None = None
    best_minus_end: float | None = None
    diverged_step: float | None = None
    is_diverged_later: bool = False
    stairs: tuple[Stair, ...] = ()
    grid_steps: float | None = None
    is_coarse: bool = False


_COLUMNS = (
    *("status", "onset_step", "onset_lower", "onset_upper", "half_step", "width_steps", "suddenness", "num_breaks"),
    *("end_loss", "best_minus_end", "is_diverged_later", "is_coarse"),
)


def outcome_columns(outcome: PlateauBreak) -> dict[str, Any]:
    """Returns status, event, times and stairs by the names of their columns."""
    return {
        **{name: getattr(outcome, name) for name in _COLUMNS},
        "event": event_code(outcome.status),
        "stairs": [stair._asdict() for stair in outcome.stairs],
    }


def find_break(
    steps: np.ndarray,
    loss: np.ndarray,
    chance_loss: float,
    *,
    diverged_step: float | None = None,
    settings: DetectorSettings | None = None,
) -> PlateauBreak:
    """Finds the break of one curve of loss on a fixed evaluation set, in nats, `[num_points]`, at increasing steps.

    The chance loss H is that of the best constant prediction. `diverged_step` is when the run is known to have
    diverged; otherwise the loss tells. Raises `ValueError` where the arrays are no curve.
    """
    settings = settings or DetectorSettings()
    steps, loss = _checked(steps, loss, chance_loss, least=2 if diverged_step is None else 1)
    if diverged_step is None:
        diverged_step = _find_divergence(steps, loss, chance_loss, settings)
    if diverged_step is not None:
        is_before = (steps < diverged_step) & np.isfinite(loss)
        num_kept = _before_ramp(loss[is_before], settings.window)
        steps, loss = steps[is_before][:num_kept], loss[is_before][:num_kept]
    if len(steps) < 2:
        return PlateauBreak("diverged", float(chance_loss), diverged_step=diverged_step)

    most = _MOST_RELATIVE * chance_loss
    progress = 1.0 - np.clip(loss, -most, most) / chance_loss
    smoothed = running_median(progress, settings.window)
    end = end_level(progress, settings)
    if end >= settings.high:
        smoothed = _without_last_spike(smoothed, end, settings)
        found = _describe_rise(steps, progress, smoothed, end, settings)
    else:
        status = "stuck" if diverged_step is None else "diverged"
        found = {"status": status, "grid_steps": float(np.max(np.diff(steps)))}
    return PlateauBreak(
        **found,
        chance_loss=float(chance_loss),
        end_loss=chance_loss * (1.0 - end),
        best_minus_end=max(0.0, float(smoothed.max()) - end),
        diverged_step=diverged_step,
        is_diverged_later=end >= settings.high and diverged_step is not None,
    )


def _find_divergence(
    steps: np.ndarray, loss: np.ndarray, chance_loss: float, settings: DetectorSettings
) -> float | None:
    """Returns the first step at which the curve is not finite, or blown up for `divergence_steps`."""
    # The number of finite losses before the first that is not.
    end = int(np.argmin(np.append(np.isfinite(loss), False)))
    candidates = [float(step) for step in steps[end : end + 1]]
    if end > 0:
        limit = settings.divergence_factor * max(chance_loss, loss[0])
        is_high = np.concatenate([[False], loss[:end] > limit, [False]])
        edges = np.flatnonzero(np.diff(is_high.astype(int)))
        first, last = steps[edges[::2]], steps[edges[1::2] - 1]
        candidates += first[last - first >= settings.divergence_steps][:1].tolist()
    return min(candidates, default=None)


def _before_ramp(loss: np.ndarray, window: int) -> int:
    """Counts the points before the steady climb of the loss that ends in divergence."""
    smoothed = running_median(loss, window) if len(loss) else loss
    end = len(loss)
    while end > 2 and smoothed[end - 1] > smoothed[end - 2]:
        end -= 1
    return end


def end_level(values: np.ndarray, settings: DetectorSettings) -> float:
    """Returns the median of the last `end_fraction` of a curve."""
    num_end = max(1, math.ceil(settings.end_fraction * len(values)))
    return float(np.median(values[-num_end:]))


def _without_last_spike(smoothed: np.ndarray, end: float, settings: DetectorSettings) -> np.ndarray:
    """Sets the last point, which no median smooths, to the end level where it is so low that it hides that level."""
    # The last value of a non-decreasing fit is the largest mean of the curve from any point on.
    means = np.cumsum(smoothed[::-1]) / np.arange(1, len(smoothed) + 1)
    return smoothed if means.max() >= settings.high else np.append(smoothed[:-1], end)


def _checked(steps: np.ndarray, loss: np.ndarray, chance_loss: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    steps, loss = np.asarray(steps, np.float64), np.asarray(loss, np.float64)
    if steps.ndim != 1 or steps.shape != loss.shape:
        raise ValueError(f"steps and loss have shapes {steps.shape} and {loss.shape}: expected two equal [n]")
    if len(steps) < least:
        raise ValueError(f"a curve needs at least two points, got {len(steps)}")
    if not np.all(np.isfinite(steps)) or not np.all(np.diff(steps) > 0):
        raise ValueError("steps must be finite and strictly increasing")
    if not (math.isfinite(chance_loss) and chance_loss > 0):
        raise ValueError(f"chance_loss must be a positive number of nats, got {chance_loss!r}")
    return steps, loss


def _describe_rise(
    steps: np.ndarray, progress: np.ndarray, smoothed: np.ndarray, end: float, settings: DetectorSettings
) -> dict[str, Any]:
    """Returns status, times and stairs of a curve that ends above `high`, by field of `PlateauBreak`."""
    residuals = progress - smoothed
    onset = find_onset(steps, smoothed, residuals, settings)
    values, rising, width = find_rise(steps, smoothed, residuals, onset.onset_step, end, settings)
    rise, half = np.minimum(first_time_at(steps, rising, np.array([0.1, 0.5]) * end), steps[-1])
    arrival = steps[np.argmax(values >= -settings.low)]
    suddenness = None if width is None else max(0.0, float(rise - arrival) / width)
    stairs = () if width is None else find_stairs(steps, rising, end, width)
    grid_steps = _grid_steps(steps, onset.onset_step, float(half))
    return {
        "status": _status(suddenness, settings),
        **onset._asdict(),
        "rise_step": float(rise),
        "half_step": float(half),
        "width_steps": width,
        "suddenness": suddenness,
        "num_breaks": len(stairs),
        "stairs": stairs,
        "grid_steps": grid_steps,
        "is_coarse": width is None or grid_steps > _GRID_SHARE * width,
    }


def _status(suddenness: float | None, settings: DetectorSettings) -> str:
    if suddenness is None or suddenness < settings.suddenness_none:
        return "no_plateau"
    return "broke" if suddenness >= settings.suddenness_broke else "shoulder"


def _grid_steps(steps: np.ndarray, first: float, last: float) -> float:
    """Returns the longest interval of the grid that reaches into the time from `first` to `last`."""
    start = max(0, int(np.searchsorted(steps, first, side="right")) - 1)
    stop = max(start + 2, int(np.searchsorted(steps, last, side="left")) + 1)
    return float(np.max(np.diff(steps[min(start, len(steps) - 2) : stop])))
