"""The noise of a curve, and the curve without outliers."""

import math
from typing import NamedTuple

import numpy as np

# Standard deviation over median absolute deviation of a normal variable.
_DEVIATION_PER_MEDIAN = 1.4826
_LARGEST_CORRELATION = 0.85
_OUTLIER = 3.0


class Noise(NamedTuple):
    """The noise of one curve, in units of ρ.

    Attributes:
        deviation: standard deviation, from the median absolute residual.
        correlation: φ, that of neighbouring residuals, taken for an AR(1) process.
    """

    deviation: float
    correlation: float

    def of_mean(self, num_points: int) -> float:
        """Returns the standard deviation of an average: `σ·√((1 + φ)/((1 − φ)·n))`, at most σ."""
        return self.deviation * min(1.0, math.sqrt(self._inflation / num_points))

    def points_for(self, deviation: float) -> float:
        """Returns how many points an average needs to have at most this standard deviation."""
        return self._inflation * (self.deviation / deviation) ** 2

    @property
    def _inflation(self) -> float:
        return (1.0 + self.correlation) / (1.0 - self.correlation)


def measure_noise(residuals: np.ndarray, least_share: float) -> Noise:
    """Measures noise by what a running median leaves, shape `[num_points]`.

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


def without_outliers(smoothed: np.ndarray, residuals: np.ndarray, noise: Noise) -> np.ndarray:
    """Returns the curve with its residuals cut at three standard deviations, `[num_points]`."""
    limit = _OUTLIER * noise.deviation
    return smoothed + np.clip(residuals, -limit, limit)
