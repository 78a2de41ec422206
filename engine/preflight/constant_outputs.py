"""Outputs that hardly differ between examples, wherever the network starts.

Definition: the standard deviation of the outputs over examples is below 1e-3 of that of the inputs (at most 1) at the
network's own starts and at He's, which keeps the size of a signal. Something then cuts the inputs off or makes the
outputs tiny: a factor, a saturated or dead layer. Where the outputs at He's start are a million times as large as they
differ, or do not differ at all, and nothing saturates, they are the same for all examples: the network does not see in
what these differ, as attention without places does not see an order, nor a norm over one number anything. Of inputs
that do not arrive there `lost_inputs` tells.
False alarms: none seen.
"""

from typing import Any

import numpy as np

from . import causes, lost_inputs
from .findings import Finding
from .look import Look

_LEAST, _ROUNDING = 1e-3, 1e-6


def find(look: Look) -> Finding | None:
    """Finds outputs that do not depend on the inputs."""
    if lost_inputs.find(look) is not None:
        return None
    spread = min(1.0, _spread_of(look.batch.inputs))
    deviations = [_spread_of(outputs) for outputs in (*look.outputs, look.wide_outputs[0])]
    if spread == 0 or not np.all(np.isfinite(deviations)) or max(deviations) >= _LEAST * spread:
        return None
    size = float(np.sqrt(np.mean(np.square(look.wide_outputs[0]))))
    if not look.saturating and deviations[-1] <= _ROUNDING * size:
        return Finding(
            "constant_outputs",
            "fault",
            f"the outputs, of order {size:.2g} at He's start, are the same for all examples, to rounding, where the "
            f"inputs differ by {spread:.2g}",
            "look for what the network does not see of its inputs: their order, what is masked or averaged away, or "
            "normalised over one number",
            causes.CONSTANT,
        )
    return Finding(
        "constant_outputs",
        "fault",
        f"with its own start and with He's the outputs differ by {max(deviations):.1g} at most from example to "
        f"example, where the inputs differ by {spread:.2g}",
        "look for a layer that is dead or saturated, a factor that is far too small, or inputs that are not used",
        causes.VANISHING,
    )


def _spread_of(rows: Any) -> float:
    """Root mean square, over the numbers of an example, of the standard deviation over examples."""
    numbers = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return float(np.sqrt(np.mean(np.var(numbers, axis=0))))
