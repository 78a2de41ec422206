"""Whether numbers are of order one, for which networks, initial schemes and learning rates are made.

There are two kinds of bounds: those beyond which scaling is worth a try, and, outside of these, those beyond which it
is a fault not to scale.
"""

from typing import NamedTuple

import numpy as np

_MOST_ROWS, _MOST_NUMBERS = 4096, 2**22


class Bounds(NamedTuple):
    """What counts as off: a root mean square above `most`, or numbers (for targets: deviations) below `least`."""

    most: float
    least: float


# Standardised numbers have a root mean square of 1, and pixels from 0 to 1 one of a quarter or more.
WORTH_A_TRY = Bounds(5.0, 0.1)
# A factor of ten or more on either side of what standardised, unit-scaled and one-hot inputs have.
WRONG_INPUTS = Bounds(10.0, 0.03)
# Of targets, relative to the outputs at the start. Scores up to 100 are still learned as they are by Adam at 1e-3.
WRONG_TARGETS = Bounds(100.0, 0.01)


class Scale(NamedTuple):
    """Of some numbers the root mean square, the largest of a column, the typical deviation, and the largest of all.

    The typical deviation is the median over the columns that vary; `None` where none does.
    """

    size: float
    largest_column: float
    deviation: float | None
    largest: float


def scale_of(values: np.ndarray) -> Scale:
    """Measures numbers `[num_examples, …, num_columns]`: at most 4,096 examples, and fewer where these are large."""
    most = max(1, min(_MOST_ROWS, _MOST_NUMBERS // max(1, values[0].size)))
    chosen = np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)
    rows = values[chosen].astype(np.float64).reshape(-1, values.shape[-1])
    squares, deviations = np.mean(rows**2, axis=0), rows.std(axis=0)
    varying = deviations[deviations > 0]
    return Scale(
        size=float(np.sqrt(squares.mean())),
        largest_column=float(np.sqrt(squares.max())),
        deviation=float(np.median(varying)) if varying.size else None,
        largest=float(np.abs(rows).max()),
    )


def off_scale(values: np.ndarray) -> str | None:
    """Says in words how numbers are off order one, so that scaling is worth a try; `None` where they are not.

    They are where the root mean square of some column is above 5, or the typical deviation is below 0.1.
    """
    scale = scale_of(values)
    if scale.largest_column > WORTH_A_TRY.most:
        return f"their root mean square is up to {scale.largest_column:.3g}"
    if scale.deviation is not None and scale.deviation < WORTH_A_TRY.least:
        return f"their standard deviation is {scale.deviation:.2g}"
    return None


def are_wrong_inputs(size: float, largest: float) -> bool:
    """Tells whether inputs are far too large, or far too small, by their root mean square and the largest of them.

    A few of order one, as in one-hot rows, are enough.
    """
    return size > WRONG_INPUTS.most or (0 < size < WRONG_INPUTS.least and largest < 10 * WRONG_INPUTS.least)


def are_wrong_targets(scale: Scale, reach: float) -> bool:
    """Tells whether targets are far too large, or vary far too little, for outputs of a size."""
    is_flat = scale.deviation is not None and scale.deviation < WRONG_TARGETS.least * reach
    return scale.size > WRONG_TARGETS.most * reach or is_flat
