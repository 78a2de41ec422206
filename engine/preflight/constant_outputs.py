"""Outputs that hardly differ between examples, wherever the network starts.

Definition: the standard deviation of the outputs over examples is below 1e-3 of that of the inputs (at most 1) at the
network's own starts and at He's, which keeps the size of a signal. Something then cuts the inputs off or makes the
outputs tiny: a factor, a saturated or dead layer. Of inputs that do not arrive there `lost_inputs` tells.
False alarms: none seen.
"""

import numpy as np

from engine.lanes.self_check import spread_of
from engine.preflight import causes, lost_inputs
from engine.preflight.findings import Finding
from engine.preflight.look import Look

LEAST = 1e-3


def find(look: Look) -> Finding | None:
    """Finds outputs that do not depend on the inputs."""
    if lost_inputs.find(look) is not None:
        return None
    spread = min(1.0, spread_of(look.batch.inputs))
    deviations = [spread_of(outputs) for outputs in (*look.outputs, look.wide_outputs[0])]
    if spread == 0 or not np.all(np.isfinite(deviations)) or max(deviations) >= LEAST * spread:
        return None
    return Finding(
        "constant_outputs",
        "fault",
        f"with its own start and with He's the outputs differ by {max(deviations):.1g} at most from example to "
        f"example, where the inputs differ by {spread:.2g}",
        "look for a layer that is dead or saturated, a factor that is far too small, or inputs that are not used",
        causes.VANISHING,
    )
