"""Smoothing of a curve, its noise, and times at which the smoothed curve reaches levels.

All arrays have shape `[num_points]`; steps are strictly increasing.
"""

import math
from typing import NamedTuple

import numpy as np

_DEVIATION_PER_MEDIAN = 1.4826  # standard over median absolute deviation, of a normal variable
_LARGEST_CORRELATION = 0.85
_OUTLIER = 3.0


def running_median(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the centred running median over an odd number of points.

    The window shrinks symmetrically towards both ends, so every monotone stretch stays as it is.
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
    """Returns the medians of the first 1, 3, 5, … values."""
    first = values[: 2 * number].tolist()
    return [sorted(first[: 2 * i + 1])[i] for i in range(number)]


def local_line(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the value at each point of the least-squares line through the window around it.

    Inside the curve that is the running mean; next to an end it is read off the line through the outermost window.
    Points are equally far apart, and the window is an odd number of them.
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
    """Returns the non-decreasing sequence nearest to `values` in least squares.

    Source: Barlow, Bartholomew, Bremner and Brunk (1972), pool adjacent violators.
    """
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(values, increasing=True).x)


def first_time_at(steps: np.ndarray, rising: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Returns when a non-decreasing, interpolated curve first reaches each level, else infinity, `[num_levels]`."""
    after = rising.searchsorted(levels)
    times = np.where(after == 0, steps[0], _interpolate(rising, steps, steps, levels, after))
    return np.where(after == len(steps), np.inf, times)


def shortest_rise(steps: np.ndarray, rising: np.ndarray, height: float) -> float | None:
    """Returns the shortest time in which a non-decreasing, interpolated curve rises by `height`, or `None`.

    The time between two levels is piecewise linear: it is shortest where either level meets a point of the curve.
    """
    is_last = np.concatenate([rising[1:] > rising[:-1], [True]])
    last = np.flatnonzero(is_last)
    levels = rising[last]
    if levels[-1] - levels[0] < height:
        return None
    left, arrived = steps[last], steps[np.concatenate([[0], last[:-1] + 1])]
    # The curve reaches a level when its flat stretch begins, and leaves it when the stretch ends.
    upper = levels[levels >= levels[0] + height]
    lower = levels[: np.searchsorted(levels, levels[-1] - height, side="right")]
    reached, started = lower + height, upper - height
    reached_at = _interpolate(levels, left, arrived, reached, levels.searchsorted(reached))
    started_at = _interpolate(levels, left, arrived, started, levels.searchsorted(started, side="right"))
    shortest = min(
        (reached_at - left[: len(lower)]).min(initial=np.inf),
        (arrived[len(levels) - len(upper) :] - started_at).min(initial=np.inf),
    )
    finest = (steps[-1] - steps[0]) / (len(steps) - 1) * 1e-6
    return float(max(shortest, finest))


def _interpolate(
    levels: np.ndarray, left: np.ndarray, arrived: np.ndarray, wanted: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """Returns the times of wanted levels on the lines from where each level is left to the next.

    Level i is reached at `arrived[i]` and left at `left[i]`; `after` is where each wanted one sorts in.
    """
    after = np.minimum(np.maximum(after, 1), len(levels) - 1)
    low, start = levels[after - 1], left[after - 1]
    rise = levels[after] - low
    share = np.minimum(np.maximum((wanted - low) / np.where(rise > 0, rise, 1.0), 0.0), 1.0)
    return start + share * (arrived[after] - start)


class Noise(NamedTuple):
    """The noise of one curve, an AR(1) process: standard deviation in units of ρ, and φ, that of neighbours."""

    deviation: float
    correlation: float

    def of_mean(self, num_points: int) -> float:
        """Returns the standard deviation of an average: `σ·√((1 + φ)/((1 − φ)·n))`, at most σ."""
        return self.deviation * min(1.0, math.sqrt(self._inflation / num_points))

    def without_outliers(self, smoothed: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Returns the curve with its residuals cut at three standard deviations."""
        limit = _OUTLIER * self.deviation
        return smoothed + np.clip(residuals, -limit, limit)

    def points_for(self, deviation: float) -> float:
        """Returns how many points an average needs to have at most this standard deviation."""
        return self._inflation * (self.deviation / deviation) ** 2

    @property
    def _inflation(self) -> float:
        return (1.0 + self.correlation) / (1.0 - self.correlation)


def measure_noise(residuals: np.ndarray, least_share: float) -> Noise:
    """Measures noise by what a running median leaves, its deviation by the median absolute residual.

    Residuals are zero where a curve is monotone: without noise, or too steep for it to change the order of points.
    Zeros are left out. If fewer than `least_share` remain, or if residuals hardly change from point to point, they show
    the shape of the curve and count as no noise.
    """
    sizes = np.abs(residuals)
    sizes = sizes[sizes > 0.0]
    if len(sizes) < max(1, least_share * len(residuals)):
        return Noise(0.0, 0.0)
    deviation = _DEVIATION_PER_MEDIAN * float(np.median(sizes))
    clipped = np.clip(residuals, -_OUTLIER * deviation, _OUTLIER * deviation)
    correlation = float(np.dot(clipped[1:], clipped[:-1]) / np.dot(clipped, clipped))
    if correlation > _LARGEST_CORRELATION:
        return Noise(0.0, 0.0)
    return Noise(deviation, max(correlation, 0.0))
