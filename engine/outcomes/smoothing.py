"""Smoothing of a curve, and times at which the smoothed curve reaches levels."""

from bisect import insort
from typing import Literal

import numpy as np


def running_median(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running median whose window shrinks symmetrically towards both ends.

    A symmetric window leaves every monotone stretch as it is, also next to the ends of the curve,
    so an early break is not smeared.

    Args:
        values: shape `[num_points]`.
        window: odd number of points.

    Returns:
        Shape `[num_points]`.
    """
    from scipy.ndimage import median_filter

    half = min(window // 2, (len(values) - 1) // 2)
    smoothed = np.array(values, dtype=np.float64)
    if half == 0:
        return smoothed
    interior = median_filter(smoothed, 2 * half + 1)[half : len(values) - half]
    start, end = _medians_of_beginnings(values, half), _medians_of_beginnings(values[::-1], half)
    return np.concatenate([start, interior, end[::-1]])


def _medians_of_beginnings(values: np.ndarray, number: int) -> list[float]:
    """Medians of the first 1, 3, 5, … values."""
    first = values[: 2 * number].tolist()
    ordered, medians = first[:1], first[:1]
    for i in range(1, number):
        insort(ordered, first[2 * i - 1])
        insort(ordered, first[2 * i])
        medians.append(ordered[i])
    return medians


def local_line(values: np.ndarray, window: int) -> np.ndarray:
    """Least-squares line through the points around each point, read off at that point.

    Inside the curve that is the running mean. Next to an end it is the line through the outermost
    window, so that the first and last points are averages of a whole window too.

    Args:
        values: at equal distances, shape `[num_points]`.
        window: odd number of points.

    Returns:
        Shape `[num_points]`.
    """
    half = min(window // 2, (len(values) - 1) // 2)
    if half == 0:
        return values
    length = 2 * half + 1
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[length:] - sums[:-length]) / length
    offsets = np.arange(-half, half + 1)
    slopes = offsets / np.sum(offsets**2)
    start = means[0] + np.dot(slopes, values[:length]) * offsets[:half]
    end = means[-1] + np.dot(slopes, values[-length:]) * offsets[half + 1 :]
    return np.concatenate([start, means, end])


def non_decreasing(values: np.ndarray) -> np.ndarray:
    """The non-decreasing sequence nearest to `values` in least squares. Shape `[num_points]`.

    Source: Barlow, Bartholomew, Bremner and Brunk (1972), pool adjacent violators.
    """
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(values, increasing=True).x)


def first_time_at(steps: np.ndarray, rising: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The first time at which a non-decreasing, linearly interpolated curve reaches each level.

    Args:
        steps: times, strictly increasing, shape `[num_points]`.
        rising: non-decreasing values, shape `[num_points]`.
        levels: shape `[num_levels]`.

    Returns:
        Shape `[num_levels]`; infinity where the curve stays below the level.
    """
    after = rising.searchsorted(levels)
    right = np.minimum(np.maximum(after, 1), len(steps) - 1)
    left = right - 1
    low, start = rising[left], steps[left]
    rise = rising[right] - low
    share = (levels - low) / np.where(rise > 0, rise, 1.0)
    times = start + np.minimum(np.maximum(share, 0.0), 1.0) * (steps[right] - start)
    times = np.where(after == 0, steps[0], times)
    return np.where(after == len(steps), np.inf, times)


def shortest_rise(steps: np.ndarray, rising: np.ndarray, height: float) -> float | None:
    """The shortest time in which a non-decreasing, interpolated curve rises by `height`.

    `None` for a curve that rises by less. The time between two levels is piecewise linear in the
    lower one, so its minimum lies where either level meets a point of the curve.

    Args:
        steps: times, strictly increasing, shape `[num_points]`.
        rising: non-decreasing values, shape `[num_points]`.
        height: in units of `rising`.
    """
    is_last = np.concatenate([rising[1:] > rising[:-1], [True]])
    last = np.flatnonzero(is_last)
    levels = rising[last]
    if levels[-1] - levels[0] < height:
        return None
    left, arrived = steps[last], steps[np.concatenate([[0], last[:-1] + 1])]
    # A level is reached when its block begins, and left when it ends.
    upper = levels[levels >= levels[0] + height]
    lower = levels[: np.searchsorted(levels, levels[-1] - height, side="right")]
    upper_time = _between(levels, left, arrived, lower + height, "left")
    lower_time = _between(levels, left, arrived, upper - height, "right")
    shortest = min(
        (upper_time - left[: len(lower)]).min(initial=np.inf),
        (arrived[len(levels) - len(upper) :] - lower_time).min(initial=np.inf),
    )
    finest = (steps[-1] - steps[0]) / (len(steps) - 1) * 1e-6
    return float(max(shortest, finest))


def _between(
    levels: np.ndarray, left: np.ndarray, arrived: np.ndarray, wanted: np.ndarray, side: Literal["left", "right"]
) -> np.ndarray:
    """Times of wanted levels on the line from where a block is left to where the next begins."""
    after = np.minimum(np.maximum(levels.searchsorted(wanted, side=side), 1), len(levels) - 1)
    before = after - 1
    low, start = levels[before], left[before]
    share = np.minimum(np.maximum((wanted - low) / (levels[after] - low), 0.0), 1.0)
    return start + share * (arrived[after] - start)
