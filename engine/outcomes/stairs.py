"""The rises of a curve that further plateaus separate."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.outcomes.smoothing import first_time_at

_LEVELS = np.linspace(0.1, 0.95, 18)
_PARTS = np.array([0.1, 0.5, 0.9])
_LEAST_BANDS = 2


class Stair(NamedTuple):
    """One rise from plateau to plateau. Times are in steps, levels are values of ρ.

    Attributes:
        onset_step, half_step, end_step: when 10, 50 and 90 % of the rise are done.
        level_before: level of the plateau below, halfway through it; 0 for the first stair.
        level_after: level of the plateau above; ρ_end for the last stair.
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
