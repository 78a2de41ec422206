"""Robust smoothing of a curve, and crossings of the smoothed curve."""

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
    num_points = len(values)
    half = min(window // 2, (num_points - 1) // 2)
    smoothed = np.array(values, dtype=np.float64)
    if half == 0:
        return smoothed
    windows = np.lib.stride_tricks.sliding_window_view(smoothed, 2 * half + 1)
    interior = np.median(windows, axis=1)
    for i in range(1, half):
        smoothed[i] = np.median(values[: 2 * i + 1])
        smoothed[-1 - i] = np.median(values[-1 - 2 * i :])
    smoothed[half : num_points - half] = interior
    return smoothed


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
    after = np.searchsorted(rising, levels, side="left")
    return _interpolate(steps, rising, levels, after)


def last_time_at(steps: np.ndarray, rising: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """As `first_time_at`, but the last time at which the curve is not above each level."""
    after = np.searchsorted(rising, levels, side="right")
    return _interpolate(steps, rising, levels, after)


def _interpolate(
    steps: np.ndarray, rising: np.ndarray, levels: np.ndarray, after: np.ndarray
) -> np.ndarray:
    right = np.clip(after, 1, len(steps) - 1)
    left = right - 1
    rise = rising[right] - rising[left]
    share = np.divide(levels - rising[left], rise, out=np.zeros_like(levels), where=rise > 0)
    times = steps[left] + np.clip(share, 0.0, 1.0) * (steps[right] - steps[left])
    times = np.where(after == 0, steps[0], times)
    return np.where(after == len(steps), np.inf, times)
