"""Onset, width and stairs of a curve that has left chance level, with and without noise.

Noise makes some stretch of a rise look steeper than it is, and moves the crossing of a level. Where it matters, the
curve is averaged over a third of its width, and the width is read between levels further apart than what is left.

All arrays are `[num_points]`; steps increase, `smoothed` is the running median of ρ, `residuals` are what it leaves.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .settings import DetectorSettings
from .smoothing import first_time_at, local_line, measure_noise, non_decreasing, shortest_rise

# Shares of points that must show noise: on a plateau nearly all do, on a steep rise none.
_SHARE_ON_PLATEAU, _SHARE_OF_CURVE = 0.6, 0.25
_LEAST_QUIET = 5  # points of a plateau that shows noise if there is some
_NEGLIGIBLE = 0.02  # noise below this share of the distance of levels is ignored
_MEDIAN_OVER_MEAN = 1.2533  # of their deviations, of normal variables
# Averages run over this share of the width, which makes the middle of a logistic rise 3 % flatter, but over no more
# points than bring the noise down to `_ENOUGH` of the distance of levels.
_WINDOW_SHARE = 0.35
_ENOUGH = 0.10
# For the onset they run over twice the shortest rise by half of `high` below `high`, which is half of the width for a
# logistic rise to 0.9.
_ONSET_WINDOW_SHARE = 2.0
_LARGEST_MARGIN = 0.3  # a plateau at chance must still count as clearly below `low`
_LARGEST_RATIO = 3.0  # above it the curve jumps within the window, and does not grow exponentially
# Levels lie this many standard deviations of the noise further apart than `level_step`, one more than the noise adds to
# the largest rise, but at most three times as far.
_LEVEL_DEVIATIONS = 6.0
_LARGEST_LEVEL_FACTOR = 3.0
# Of stairs: the levels of ρ_end, the parts of a stair that are read off, and the fast bands that it has at least.
_LEVELS = np.linspace(0.1, 0.95, 18)
_PARTS = np.array([0.1, 0.5, 0.9])
_LEAST_BANDS = 2


class Onset(NamedTuple):
    """The last upward crossing of `low` before `high` is held, and the points around it."""

    onset_step: float
    onset_lower: float
    onset_upper: float


def find_onset(steps: np.ndarray, smoothed: np.ndarray, residuals: np.ndarray, settings: DetectorSettings) -> Onset:
    """Finds the onset of a curve that ends above `high`; points long after `high` is held do not matter."""
    fit = non_decreasing(smoothed)
    held = int(np.argmax(fit >= settings.high))
    noise = measure_noise(residuals[: held + 1], _SHARE_ON_PLATEAU)
    values, left, window = smoothed, 0.0, 1
    if noise.deviation > _NEGLIGIBLE * settings.high / 2:
        plateau = np.clip(fit[: held + 1], 0.0, settings.high)
        time = shortest_rise(steps[: held + 1], plateau, settings.high / 2) or 0.0
        window = _points(_ONSET_WINDOW_SHARE * time, steps, 2 * held + 1)
        values = local_line(noise.without_outliers(smoothed, residuals), window)
        left = min(noise.of_mean(window), _LARGEST_MARGIN * settings.low)
        held = int(np.argmax(non_decreasing(values) >= settings.high))
    below = np.flatnonzero(values[: held + 1] < settings.low)
    start = float(steps[0])
    if len(below) == 0:
        return Onset(start, start, start)
    clearly_below = np.flatnonzero(values[: held + 1] < settings.low - left)
    last = clearly_below[-1] if len(clearly_below) else below[0]
    rising = _rising(values, int(last) + 1, settings)
    levels = np.array([1.0, 2.0, settings.high / settings.low]) * settings.low
    times = first_time_at(steps, rising, levels)
    step = min(float(times[0]), float(steps[-1]))
    if window > 1 and math.isfinite(times[-1]):
        step = min(step + _lead(0.5 * window * _interval(steps), times, levels), float(steps[-1]))
    after = max(1, int(np.searchsorted(steps, step)))
    return Onset(step, float(steps[after - 1]), float(steps[after]))


def _lead(half_window: float, times: np.ndarray, levels: np.ndarray) -> float:
    """Returns by how many steps a running average reaches a level before the curve does.

    The average of `exp(t/τ)` over `±h` is larger by `sinh(x)/x` with `x = h/τ`, hence earlier by `τ·ln(sinh(x)/x)`;
    that of a straight line is right. The times between three levels tell where between these two the curve lies.
    """
    first, second = times[1] - times[0], times[2] - times[1]
    if not (0.0 < first < math.inf and 0.0 < second < math.inf):
        return 0.0
    straight = (levels[2] - levels[1]) / (levels[1] - levels[0])
    exponential = math.log(levels[2] / levels[1]) / math.log(levels[1] / levels[0])
    share = min(max((straight - second / first) / (straight - exponential), 0.0), 1.0)
    growth = float(first + second) / math.log(levels[2] / levels[0])
    ratio = min(half_window / growth, _LARGEST_RATIO)
    return share * growth * math.log(math.sinh(ratio) / ratio)


def find_rise(
    steps: np.ndarray, smoothed: np.ndarray, residuals: np.ndarray, onset: float, end: float, settings: DetectorSettings
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Returns `(values, rising, width)` of a curve with an onset that ends at ρ = `end`.

    Values are smoothed; in `rising`, their non-decreasing fit, everything before the onset counts as plateau, even a
    hump that was lost again. The width is `None` for a curve that had learned before its first point.
    """
    height = settings.level_step * end
    num_before = int(np.searchsorted(steps, onset))
    noise = measure_noise(residuals, _SHARE_OF_CURVE)
    rising = _rising(smoothed, num_before, settings)
    if noise.deviation <= _NEGLIGIBLE * height:
        return smoothed, rising, _width(steps, rising, height, 0.0)
    cleaned = noise.without_outliers(smoothed, residuals)
    width = _width(steps, rising, height, _MEDIAN_OVER_MEAN * noise.of_mean(settings.window))
    values, window = smoothed, 0
    # Where a curve is steep, its running median is as noisy as itself: the first width is too small.
    most = min(noise.points_for(_ENOUGH * height), len(steps) // 2)
    for _ in range(2):
        last, window = window, _points(_WINDOW_SHARE * (width or 0.0), steps, most)
        if window == last:
            break
        values = local_line(cleaned, window)
        rising = _rising(values, num_before, settings)
        width = _width(steps, rising, height, noise.of_mean(window))
    if width is not None and _is_quiet(smoothed[:num_before], residuals[:num_before], height):
        start = _rising(smoothed, num_before, settings)
        num_first = int(np.argmax(start >= settings.high + height)) + 1
        first = _width(steps[:num_first], start[:num_first], height, 0.0)
        width = width if first is None else min(width, first)
    return values, rising, width


def _is_quiet(plateau: np.ndarray, residuals: np.ndarray, height: float) -> bool:
    """Tells whether a plateau is flat and long enough to show noise, and shows none.

    A network that has learned fluctuates more than one that has not: its first rise is then read as it is.
    """
    if len(plateau) < _LEAST_QUIET:
        return False
    is_flat = np.median(np.abs(np.diff(plateau))) <= _NEGLIGIBLE * height
    return bool(is_flat) and measure_noise(residuals, _SHARE_ON_PLATEAU).deviation == 0.0


def _rising(values: np.ndarray, num_before: int, settings: DetectorSettings) -> np.ndarray:
    """Returns the non-decreasing fit; the first `num_before` values count as plateau."""
    plateau = np.minimum(values[:num_before], settings.low)
    return non_decreasing(np.concatenate([plateau, values[num_before:]]))


def _width(steps: np.ndarray, rising: np.ndarray, height: float, left: float) -> float | None:
    """Returns 8 × the shortest time for a rise by `height`, read from a larger rise less the remaining noise in it."""
    larger = min(height + _LEVEL_DEVIATIONS * left, _LARGEST_LEVEL_FACTOR * height)
    time = shortest_rise(steps, np.maximum(rising, 0.0), larger)
    if time is None:
        return None
    return 8.0 * time * height / max(height, larger - left)


def _points(time: float, steps: np.ndarray, most: float) -> int:
    """Returns the odd number of points of the grid in a time, at most `most`."""
    return int(min(time / _interval(steps), most)) // 2 * 2 + 1


def _interval(steps: np.ndarray) -> float:
    return float(steps[-1] - steps[0]) / (len(steps) - 1)


class Stair(NamedTuple):
    """One rise from plateau to plateau: the steps at which 10, 50 and 90 % are done, and ρ of the plateaus around it.

    The level before is that halfway through the plateau below, 0 for the first stair; the last level after is ρ_end.
    """

    onset_step: float
    half_step: float
    end_step: float
    level_before: float
    level_after: float


def find_stairs(steps: np.ndarray, rising: np.ndarray, end: float, width: float) -> tuple[Stair, ...]:
    """Finds the stairs, at least one, of a non-decreasing ρ that ends at `end` and is `width` steps wide.

    A further plateau is a band of 5 % of ρ_end that takes longer than the width to cross (at the steepest place it
    takes a sixteenth of it), with a rise by 10 % in less than the width on either side.
    """
    times = first_time_at(steps, rising, _LEVELS * end)
    times = times[np.isfinite(times)]
    is_fast = np.zeros(len(times) + 1, bool)
    is_fast[1:-1] = times[1:] - times[:-1] <= width
    edges = np.flatnonzero(is_fast[1:] != is_fast[:-1])
    rises = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= _LEAST_BANDS]
    gaps = [0.5 * (times[b] + times[a]) for (_, b), (a, _) in pairwise(rises)]
    levels = [0.0, *np.interp(gaps, steps, rising), end]
    return tuple(_stair(steps, rising, float(before), float(after)) for before, after in pairwise(levels))


def _stair(steps: np.ndarray, rising: np.ndarray, before: float, after: float) -> Stair:
    times = first_time_at(steps, rising, before + _PARTS * (after - before))
    onset, half, last = np.minimum(times, steps[-1]).tolist()
    return Stair(onset, half, last, before, after)
