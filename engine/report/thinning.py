"""Curves with as few points as a figure can show."""

import numpy as np

from engine.report.arm_runs import LossCurve

# Of all curves of a figure together; a curve alone has no use for more than the figure has dots.
_MOST_POINTS = 40_000
_LEAST_OF_A_CURVE, _MOST_OF_A_CURVE = 200, 3000


def points_per_curve(num_curves: int) -> int:
    """Returns how many points each of some curves may have in a figure."""
    return min(max(_MOST_POINTS // max(1, num_curves), _LEAST_OF_A_CURVE), _MOST_OF_A_CURVE)


def thinned(curve: LossCurve, most: int) -> LossCurve:
    """Keeps about `most` points of a curve: the lowest and highest in each of equally many steps, and both ends.

    A loss that is not finite counts as highest, so that a gap stays one.
    """
    number = len(curve.steps)
    if number <= most:
        return curve
    bounds = np.linspace(0, number, max(1, most // 2) + 1).astype(int)[:-1]
    loss = np.where(np.isfinite(curve.loss), curve.loss, np.inf)
    order = np.lexsort((loss, np.repeat(np.arange(len(bounds)), np.diff([*bounds, number]))))
    lowest, highest = order[bounds], order[np.append(bounds[1:], number) - 1]
    kept = np.unique(np.concatenate([[0], lowest, highest, [number - 1]]))
    return LossCurve(curve.steps[kept], curve.loss[kept])


def around(curve: LossCurve, onset: float, reach: float) -> LossCurve:
    """Returns a curve from `reach` steps before its onset to twice that after it, and a point more at each end."""
    first = np.searchsorted(curve.steps, onset - reach)
    last = np.searchsorted(curve.steps, onset + 2 * reach, side="right")
    part = slice(max(0, int(first) - 1), int(last) + 1)
    return LossCurve(curve.steps[part], curve.loss[part])
