"""Where a loss curve blows up."""

import numpy as np

from engine.outcomes.settings import DetectorSettings
from engine.outcomes.smoothing import running_median


def find_divergence(
    steps: np.ndarray, loss: np.ndarray, chance_loss: float, settings: DetectorSettings
) -> float | None:
    """Returns the first step at which the curve is not finite, or blown up for `divergence_steps`.

    All arrays have shape `[num_points]`; the chance loss is in nats.
    """
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


def before_ramp(loss: np.ndarray, window: int) -> int:
    """Counts the points before the steady climb of the loss that ends in divergence."""
    smoothed = running_median(loss, window) if len(loss) else loss
    end = len(loss)
    while end > 2 and smoothed[end - 1] > smoothed[end - 2]:
        end -= 1
    return end
