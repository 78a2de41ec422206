"""Whether numbers are of order one, for which networks, initial schemes and learning rates are made."""

import numpy as np

# Standardised numbers have a root mean square of 1, and pixels from 0 to 1 one of a quarter or more.
LARGEST_SIZE = 5.0
LEAST_DEVIATION = 0.1
_MOST_ROWS, _MOST_NUMBERS = 4096, 2**22


def off_scale(values: np.ndarray) -> str | None:
    """Says in words how columns of `[num_examples, …, num_columns]` are off order one; `None` where they are not.

    They are where the root mean square of some column is above 5, or the standard deviation of half of the columns
    that vary is below 0.1; of at most 4,096 examples, and of fewer where these are large.
    """
    most = max(1, min(_MOST_ROWS, _MOST_NUMBERS // max(1, values[0].size)))
    chosen = np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)
    rows = values[chosen].astype(np.float64).reshape(-1, values.shape[-1])
    largest = float(np.sqrt(np.mean(rows**2, axis=0)).max())
    if largest > LARGEST_SIZE:
        return f"their root mean square is up to {largest:.3g}"
    deviations = rows.std(axis=0)
    varying = deviations[deviations > 0]
    typical = float(np.median(varying)) if varying.size else LEAST_DEVIATION
    return f"their standard deviation is {typical:.2g}" if typical < LEAST_DEVIATION else None
