"""One batch that is not learned, however often it is seen.

Definition: of the loss of a batch, 100 to 300 steps on it alone leave above 95 % of that of the best constant: by the
configuration, in both starts that are tried, and by Adam from He's start without noise at its best rate of 3e-4, 3e-3
and 3e-2. Then the network, its outputs and the loss are to be looked at, not the rate. Where Adam gets below 50 % it is
the start or the optimiser that is slow; that is said only of trainings of at most 10 times as many steps, because a
longer one may leave a plateau as it is meant to. The number of steps is chosen from counted operations, so that it
costs about 2 s; of a network for which not even 100 fit, nothing is said, nor where the targets are off scale. Where no
loss is finite at the end, `broken_gradient` or `low_precision` says so.
Source: Karpathy (2019), "A recipe for training neural networks". False alarms: see docs/check.md.
"""

import numpy as np

from . import target_scale
from .findings import Finding, is_fault
from .learning import RATES
from .look import Look

_NOT_LEARNED, _WELL_LEARNED, _LONGEST = 0.95, 0.5, 10


def find(look: Look) -> Finding | None:
    """Finds set-ups that do not learn a single batch, and tells whether they cannot or are too slow."""
    learned = look.learned
    if learned is None or not learned.own > _NOT_LEARNED or is_fault(target_scale.find(look)):
        return None
    if np.isinf(learned.own) and np.isinf(learned.plain):
        return None
    steps = f"{learned.steps} steps on one batch"
    if learned.plain > _NOT_LEARNED:
        rates = ", ".join(f"{rate:g}" for rate in RATES)
        return Finding(
            "one_batch",
            "sign",
            f"in {steps} neither its own optimiser nor Adam with a rate of {rates} gets the loss below 95 % of that of "
            "a constant: the network cannot learn these examples",
            "look at the outputs, the loss, and whether the network is given what tells the examples apart",
        )
    is_short = look.horizon is not None and look.horizon <= _LONGEST * learned.steps and not look.arm.warmup_steps
    if not is_short or learned.plain > _WELL_LEARNED:
        return None
    own = f"to {100 * learned.own:.3g} %" if np.isfinite(learned.own) else "beyond all numbers"
    return Finding(
        "one_batch",
        "sign",
        f"{steps} bring the loss {own} of that of a constant, and those of Adam from He's start to "
        f"{100 * learned.plain:.2g} %: the network can learn, its start or its optimiser is too slow",
        "another learning rate or optimiser, or He's start (--init=he)",
    )
