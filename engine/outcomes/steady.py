"""Whether a loss falls steadily from the start: slow learning, whose outcome is the same as that of none."""

import numpy as np

_PIECES = 6
_LEAST_PACE = 0.5
_LEAST_FALL = 0.02


def falls_steadily(steps: np.ndarray, loss: np.ndarray, chance_loss: float) -> bool:
    """Tells whether a loss curve `[num_points]` falls all along at a pace that hardly slackens.

    The curve is cut into six pieces of consecutive points, of which the median steps and losses count. From each piece
    to the next, the loss falls at half its mean pace or faster, and in all by 2 % of the chance loss, or of its first
    level where that is higher. So a curve does not count that is flat for the first fifth of its length or longer and
    falls then, nor one that levels off. Noise alone would have to put six medians in falling order and almost evenly
    apart: of curves that are noise, 10 % of the chance loss from point to point, 1 in 10,000 counts.
    """
    if len(loss) < _PIECES or not np.isfinite(loss).all():
        return False
    pieces = np.array_split(np.arange(len(loss)), _PIECES)
    levels = np.array([np.median(loss[piece]) for piece in pieces])
    times = np.array([np.median(steps[piece]) for piece in pieces])
    fall = levels[0] - levels[-1]
    paces, mean_pace = -np.diff(levels) / np.diff(times), fall / (times[-1] - times[0])
    return bool(fall >= _LEAST_FALL * max(chance_loss, levels[0]) and paces.min() >= _LEAST_PACE * mean_pace)
