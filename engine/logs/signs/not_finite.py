"""A loss that is not finite from some point on.

Definition: the last point is NaN or infinite. There is no threshold. Points that are not finite but have finite ones
after them are left out when a log is read, with a note.
"""

import numpy as np

from .logged_run import LoggedRun


def find(run: LoggedRun) -> str | None:
    """Says from where on the loss is not finite, and what it was before."""
    steps, loss = run.curve.loss
    finite = np.flatnonzero(np.isfinite(loss))
    first = int(finite[-1]) + 1 if len(finite) else 0
    if first == len(loss):
        return None
    what = "NaN" if np.isnan(loss[first]) else "infinite, or too large for a 32-bit number,"
    if first == 0:
        return f"the loss is {what} at its first point, {run.at(steps[0])}, and finite nowhere."
    before = f"the last finite one is {loss[first - 1]:.4g}, at {run.at(steps[first - 1])}"
    return f"the loss is {what} at {run.at(steps[first])}, and finite nowhere after; {before}."
