"""Where a loss curve blows up."""

import numpy as np

from engine.outcomes.settings import DetectorSettings
from engine.outcomes.smoothing import running_median


def find_divergence(
    steps: np.ndarray, loss: np.ndarray, chance_loss: float, settings: DetectorSettings
) -> float | None:
    """The first step at which the curve is not finite, or blown up for long enough.

    Args:
        steps: strictly increasing, shape `[num_points]`.
        loss: in nats, shape `[num_points]`.
        chance_loss: H in nats.
        settings: what counts as blown up.

    Returns:
        A step, or `None` where the curve never diverges.
    """
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


def before_ramp(loss: np.ndarray, window: int) -> int:
    """Number of points before the steady climb of the loss that ends in divergence."""
    smoothed = running_median(loss, window) if len(loss) else loss
    end = len(loss)
    while end > 2 and smoothed[end - 1] > smoothed[end - 2]:
        end -= 1
    return end
