"""The truth about a curve that is known without noise and between its points.

The definitions of `find_break`, evaluated on a function of time instead of a sampled curve: on a
dense grid, with no smoothing and no isotonic fit, so that the detector can be judged by it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.outcomes.settings import DetectorSettings

Progress = Callable[[np.ndarray], np.ndarray]

_NUM_DENSE = 8192
_NUM_HALVINGS = 30
# Within these a status is a matter of taste: noise decides it, not the detector.
_END_MARGIN = 0.03
_SUDDENNESS_MARGIN = 0.10


class Truth(NamedTuple):
    """What a detector should say. Times are in steps; `None` is "does not exist".

    Attributes:
        statuses: the admissible ones, the one by definition first. There is a second where ρ_end
            is within 0.03 of its threshold, or suddenness within a tenth of one of its own.
        onset_step: the last upward crossing of ρ = 0.05 before ρ ≥ 0.20 is held.
        half_step: the last upward crossing of half of ρ_end.
        width_steps: 8 × the shortest time in which ρ rises by 10 % of ρ_end.
        suddenness: time from the arrival at chance to 10 % of ρ_end, over the width.
        num_stairs: rises that plateaus separate which are longer than two widths; `None` where some
            may be shorter.
        diverged_step: when the loss blew up.
    """

    statuses: tuple[str, ...]
    onset_step: float | None
    half_step: float | None
    width_steps: float | None
    suddenness: float | None
    num_stairs: int | None
    diverged_step: float | None


def truth_of(
    progress: Progress,
    steps: np.ndarray,
    *,
    num_stairs: int | None = 1,
    diverged_step: float | None = None,
    settings: DetectorSettings | None = None,
) -> Truth:
    """The truth about `progress`, ρ as a function of the step, between the first and last step.

    Args:
        progress: takes and returns arrays of any one shape.
        steps: at which the curve is evaluated, shape `[num_points]`. They matter for ρ_end, which
            is a median over points, and for the end of a run that diverged.
        num_stairs: as planted; 0 is reported where there is no break.
        diverged_step: as planted.
        settings: the thresholds.
    """
    settings = settings or DetectorSettings()
    if diverged_step is not None:
        steps = steps[steps < diverged_step]
    num_end = max(1, math.ceil(settings.end_fraction * len(steps)))
    end = float(np.median(progress(steps[-num_end:])))
    is_risen = end >= settings.high
    without = "stuck" if diverged_step is None else "diverged"
    if end < settings.high - _END_MARGIN:
        return Truth((without,), None, None, None, None, 0, diverged_step)

    times = np.linspace(steps[0], steps[-1], _NUM_DENSE + 1)
    dense = progress(times)
    held = _last_crossing(times, dense, min(settings.high, 0.9 * end))
    onset, rise, half = (
        _last_crossing(*_until(times, dense, held), settings.low),
        _last_crossing(times, dense, 0.1 * end),
        _last_crossing(times, dense, 0.5 * end),
    )

    def rising(at: np.ndarray) -> np.ndarray:
        at = np.clip(at, steps[0], steps[-1])
        above = np.maximum(progress(at), 0.0)
        return np.where(at < onset, np.minimum(above, settings.low), above)

    width = 8.0 * _shortest_rise(rising, times, settings.level_step * end)
    arrival = times[np.argmax(dense >= -settings.low)]
    suddenness = max(0.0, rise - arrival) / width
    statuses = _statuses(suddenness, settings)
    if not is_risen:
        return Truth((without, *statuses), None, None, None, None, 0, diverged_step)
    if end < settings.high + _END_MARGIN:
        statuses = (*statuses, without)
    return Truth(statuses, onset, half, width, suddenness, num_stairs, diverged_step)


def _until(times: np.ndarray, values: np.ndarray, last: float) -> tuple[np.ndarray, np.ndarray]:
    num_kept = max(2, int(np.searchsorted(times, last, side="right")))
    return times[:num_kept], values[:num_kept]


def _last_crossing(times: np.ndarray, values: np.ndarray, level: float) -> float:
    """When the interpolated values leave `level` upwards for good; the first time if always."""
    below = np.flatnonzero(values < level)
    if len(below) == 0:
        return float(times[0])
    last = min(int(below[-1]), len(times) - 2)
    share = (level - values[last]) / (values[last + 1] - values[last])
    return float(times[last] + np.clip(share, 0.0, 1.0) * (times[last + 1] - times[last]))


def _shortest_rise(rising: Progress, times: np.ndarray, height: float) -> float:
    """The shortest time in which `rising` gains `height`, by bisection; its start is on `times`."""
    start = rising(times)
    shortest, longest = 0.0, float(times[-1] - times[0])
    for _ in range(_NUM_HALVINGS):
        middle = 0.5 * (shortest + longest)
        if np.max(rising(times + middle) - start) >= height:
            longest = middle
        else:
            shortest = middle
    return longest


def _statuses(suddenness: float, settings: DetectorSettings) -> tuple[str, ...]:
    factor = 1.0 + _SUDDENNESS_MARGIN
    found = []
    for value in (suddenness, suddenness * factor, suddenness / factor):
        if value >= settings.suddenness_broke:
            found.append("broke")
        elif value >= settings.suddenness_none:
            found.append("shoulder")
        else:
            found.append("no_plateau")
    return tuple(dict.fromkeys(found))
