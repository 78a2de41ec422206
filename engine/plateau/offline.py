"""The reference detector: a whole curve at once, in NumPy.

Every loss is scaled by chance, `ρ(t) = 1 − L(t)/H`: 0 is the best constant prediction, 1 is
perfect. The curve is smoothed by a running median, made non-decreasing, and read off at levels.

A large network may start far above chance. Its fall from there to chance is neither a plateau nor
a part of the rise: the delay is counted from its arrival at chance, and the width on levels from
chance upwards.
"""

import math
from typing import NamedTuple

import numpy as np

from engine.plateau.smoothing import (
    first_time_at,
    last_time_at,
    non_decreasing,
    running_median,
)

STATUSES: dict[str, str] = {
    "broke": "left its initial plateau suddenly",
    "no_plateau": "learned from the start, without a plateau",
    "shoulder": "learned after a delay too short to call a plateau",
    "stuck": "still at chance level at the horizon",
    "diverged": "the training loss blew up",
}
_EVENTS = {"broke": 1, "no_plateau": 1, "shoulder": 1, "stuck": 0, "diverged": 2}


def event_code(status: str) -> int:
    """0 for a censored run, 1 for one that left chance level, 2 for one that diverged."""
    return _EVENTS[status]


class DetectorSettings(NamedTuple):
    """Numbers of the detector. They are part of a study's identity.

    Attributes:
        window: points in the running median, odd.
        low: ρ below which a curve is on its plateau.
        high: ρ that must be held at the end for a curve to have left chance level.
        end_fraction: share of the points, at the end, whose median is ρ_end.
        level_step: distance, in ρ_end, of the two levels that define the width.
        suddenness_broke: suddenness from which on there was a plateau.
        suddenness_none: suddenness below which there was none.
        divergence_factor: multiple of max(H, L(0)) above which a loss counts as blown up.
        divergence_steps: steps for which it must stay there.
        settle_margin: share by which suddenness must lie beyond a threshold before a run may be
            stopped early.
        settle_level: ρ below which no run is stopped early.
    """

    window: int = 21
    low: float = 0.05
    high: float = 0.20
    end_fraction: float = 0.05
    level_step: float = 0.10
    suddenness_broke: float = 1.0
    suddenness_none: float = 0.25
    divergence_factor: float = 3.0
    divergence_steps: int = 20
    settle_margin: float = 0.10
    settle_level: float = 0.50


class PlateauBreak(NamedTuple):
    """The outcome of one curve. Times are in steps, losses in nats; `None` is "does not exist".

    Attributes:
        status: one of `STATUSES`.
        onset_step: when ρ leaves 0.05 for good.
        onset_lower, onset_upper: the points of the grid between which the onset lies.
        rise_step: when ρ reaches 10 % of ρ_end.
        half_step: when ρ reaches half of ρ_end.
        width_steps: 8 × the shortest time between two levels 10 % of ρ_end apart; `None` where
            the curve had learned before its first point.
        suddenness: time from the first arrival at chance (ρ ≥ −0.05) to `rise_step`, over
            `width_steps`.
        num_breaks: rises that are separated from each other by a further plateau.
        chance_loss: H.
        end_loss: median loss of the last points.
        best_minus_end: ρ_max − ρ_end of the smoothed curve, what was lost again.
        diverged_step: when the loss blew up.
        is_diverged_later: whether that was after a break.
    """

    status: str
    onset_step: float | None
    onset_lower: float | None
    onset_upper: float | None
    rise_step: float | None
    half_step: float | None
    width_steps: float | None
    suddenness: float | None
    num_breaks: int
    chance_loss: float
    end_loss: float | None
    best_minus_end: float | None
    diverged_step: float | None
    is_diverged_later: bool


def find_break(
    steps: np.ndarray,
    loss: np.ndarray,
    chance_loss: float,
    *,
    diverged_step: float | None = None,
    settings: DetectorSettings | None = None,
) -> PlateauBreak:
    """Finds the break of one loss curve.

    Args:
        steps: step numbers, strictly increasing, shape `[num_points]`.
        loss: loss on a fixed evaluation set in nats, shape `[num_points]`. The first value that is
            not finite, or the beginning of a stretch that is blown up, is where the run diverged.
        chance_loss: H, the loss of the best constant prediction, in nats.
        diverged_step: when the run is known to have diverged, if it did.
        settings: of the detector.

    Raises:
        ValueError: the arrays differ in shape or hold fewer than two points (one where the run is
            known to have diverged), the steps do not increase, or the chance loss is not positive.
    """
    settings = settings or DetectorSettings()
    least = 2 if diverged_step is None else 1
    steps, loss = _checked(steps, loss, chance_loss, least)
    if diverged_step is None:
        diverged_step = _divergence(steps, loss, chance_loss, settings)
    if diverged_step is not None:
        is_before = (steps < diverged_step) & np.isfinite(loss)
        steps, loss = steps[is_before], loss[is_before]
        num_kept = _before_ramp(loss, settings.window)
        steps, loss = steps[:num_kept], loss[:num_kept]
    if len(steps) < 2:
        return _without_break("diverged", chance_loss, diverged_step, None, None)

    progress = 1.0 - loss / chance_loss
    smoothed = running_median(progress, settings.window)
    end = end_level(progress, settings)
    end_loss = chance_loss * (1.0 - end)
    lost = max(0.0, float(smoothed.max()) - end)
    if end < settings.high:
        status = "stuck" if diverged_step is None else "diverged"
        return _without_break(status, chance_loss, diverged_step, end_loss, lost)

    onset, lower, upper, rising = _onset(steps, smoothed, settings)
    rise, half = first_time_at(steps, rising, np.array([0.1, 0.5]) * end)
    width = _width(steps, np.maximum(rising, 0.0), settings.level_step * end)
    arrival = steps[np.argmax(smoothed >= -settings.low)]
    suddenness = None if width is None else max(0.0, float(rise - arrival) / width)
    if suddenness is None or suddenness < settings.suddenness_none:
        status = "no_plateau"
    elif suddenness >= settings.suddenness_broke:
        status = "broke"
    else:
        status = "shoulder"
    return PlateauBreak(
        status=status,
        onset_step=onset,
        onset_lower=lower,
        onset_upper=upper,
        rise_step=float(rise),
        half_step=float(half),
        width_steps=width,
        suddenness=suddenness,
        num_breaks=0 if width is None else _num_breaks(steps, rising, end, width),
        chance_loss=float(chance_loss),
        end_loss=end_loss,
        best_minus_end=lost,
        diverged_step=diverged_step,
        is_diverged_later=diverged_step is not None,
    )


def end_level(values: np.ndarray, settings: DetectorSettings) -> float:
    """Where a curve ends: the median of its last points, `end_fraction` of them all."""
    num_end = max(1, math.ceil(settings.end_fraction * len(values)))
    return float(np.median(values[-num_end:]))


def _checked(
    steps: np.ndarray, loss: np.ndarray, chance_loss: float, least: int
) -> tuple[np.ndarray, np.ndarray]:
    steps = np.asarray(steps, dtype=np.float64)
    loss = np.asarray(loss, dtype=np.float64)
    if steps.ndim != 1 or steps.shape != loss.shape:
        raise ValueError(
            f"steps and loss have shapes {steps.shape} and {loss.shape}: expected two equal [n]"
        )
    if len(steps) < least:
        raise ValueError(f"a curve needs at least two points, got {len(steps)}")
    if not np.all(np.isfinite(steps)) or not np.all(np.diff(steps) > 0):
        raise ValueError("steps must be finite and strictly increasing")
    if not (math.isfinite(chance_loss) and chance_loss > 0):
        raise ValueError(f"chance_loss must be a positive number of nats, got {chance_loss!r}")
    return steps, loss


def _divergence(
    steps: np.ndarray, loss: np.ndarray, chance_loss: float, settings: DetectorSettings
) -> float | None:
    """The first step at which the curve is not finite, or blown up for long enough."""
    is_finite = np.isfinite(loss)
    end = len(loss) if is_finite.all() else int(np.argmin(is_finite))
    candidates = [] if end == len(loss) else [float(steps[end])]
    if end > 0:
        limit = settings.divergence_factor * max(chance_loss, loss[0])
        is_high = np.concatenate([[False], loss[:end] > limit, [False]])
        edges = np.flatnonzero(np.diff(is_high.astype(int)))
        for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
            if steps[last] - steps[first] >= settings.divergence_steps:
                candidates.append(float(steps[first]))
                break
    return min(candidates, default=None)


def _before_ramp(loss: np.ndarray, window: int) -> int:
    """Number of points before the steady climb of the loss that ends in divergence."""
    smoothed = running_median(loss, window) if len(loss) else loss
    end = len(loss)
    while end > 2 and smoothed[end - 1] > smoothed[end - 2]:
        end -= 1
    return end


def _without_break(
    status: str,
    chance_loss: float,
    diverged_step: float | None,
    end_loss: float | None,
    lost: float | None,
) -> PlateauBreak:
    return PlateauBreak(
        status=status,
        onset_step=None,
        onset_lower=None,
        onset_upper=None,
        rise_step=None,
        half_step=None,
        width_steps=None,
        suddenness=None,
        num_breaks=0,
        chance_loss=float(chance_loss),
        end_loss=end_loss,
        best_minus_end=lost,
        diverged_step=diverged_step,
        is_diverged_later=False,
    )


def _onset(
    steps: np.ndarray, smoothed: np.ndarray, settings: DetectorSettings
) -> tuple[float, float, float, np.ndarray]:
    """`(onset, lower, upper, rising)` of a curve that ends above `high`.

    The onset is the last upward crossing of `low` before `high` is held; lower and upper are the
    points of the grid around it. `rising` is the non-decreasing fit in which whatever came before
    the onset counts as plateau, also a hump that was lost again.
    """
    held = int(np.argmax(non_decreasing(smoothed) >= settings.high))
    is_below = smoothed[: held + 1] < settings.low
    if not is_below.any():
        return float(steps[0]), float(steps[0]), float(steps[0]), non_decreasing(smoothed)
    last = int(np.flatnonzero(is_below)[-1])
    after = min(last + 1, len(steps) - 1)
    rise = smoothed[after] - smoothed[last]
    share = (settings.low - smoothed[last]) / rise if rise > 0 else 1.0
    lower, upper = float(steps[last]), float(steps[after])
    onset = lower + min(1.0, float(share)) * (upper - lower)
    before = np.minimum(smoothed[: last + 1], settings.low)
    return onset, lower, upper, non_decreasing(np.concatenate([before, smoothed[last + 1 :]]))


def _width(steps: np.ndarray, rising: np.ndarray, level_step: float) -> float | None:
    """8 × the shortest time in which the interpolated curve rises by `level_step`.

    `None` for a curve that rises by less: it had learned before its first point.

    The time between two levels is piecewise linear in the lower one, so its minimum lies where
    either level meets a point of the curve.
    """
    lower = np.concatenate([rising, rising - level_step])
    lower = lower[(lower >= rising[0]) & (lower <= rising[-1] - level_step)]
    if len(lower) == 0:
        return None
    upper_time = first_time_at(steps, rising, lower + level_step)
    durations = upper_time - last_time_at(steps, rising, lower)
    finest = float(np.min(np.diff(steps))) * 1e-6
    return 8.0 * max(float(durations.min()), finest)


def _num_breaks(steps: np.ndarray, rising: np.ndarray, end: float, width: float) -> int:
    """The number of rises that are separated by further plateaus.

    A further plateau is a band of 5 % of ρ_end that takes longer than the width to cross (at the
    steepest place it takes a sixteenth of it), with a rise by 10 % in less than the width on
    either side.
    """
    levels = np.linspace(0.1, 0.95, 18) * end
    times = first_time_at(steps, rising, levels)
    times = times[np.isfinite(times)]
    is_slow = np.diff(times) > width
    num_rises, run = 0, 0
    for slow in [*is_slow, True]:
        if slow:
            num_rises += run >= 2
            run = 0
        else:
            run += 1
    return max(1, num_rises)
