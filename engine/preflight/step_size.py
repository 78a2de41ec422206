"""Steps that are far too short, or as long as the weights.

Definition: the first update moves the arrays of weights by less than 1e-3 of their size in the whole training, were all
steps alike and in one direction (median over arrays and starts); or in one step by more than their whole size, or He's
where that is larger, because small weights are meant to grow; the latter is a sign where its own optimiser learns one
batch all the same. Steps of good trainings are about 1e-3 of the weights (Bottou 2012, "Stochastic gradient descent
tricks"). Where steps would be long enough without the clipping it is the clipping that does it. The first step of a
warm-up says nothing, so schedules that rise are left out. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding, amount
from .look import Look

_LEAST, _MOST = 1e-3, 1.0


def find(look: Look) -> Finding | None:
    """Finds a learning rate that cannot move the weights, or that throws them away."""
    if not look.weights or look.arm.warmup_steps:
        return None
    params, updates = look.params[:, look.weights], look.updates[:, look.weights]
    sizes = np.maximum(params, look.he_sizes[look.weights])
    relative = updates[sizes > 0] / sizes[sizes > 0]
    if not relative.size or not np.all(np.isfinite(relative)):
        return None
    step = float(np.median(relative))
    if step > _MOST:
        return Finding(
            "step_size",
            look.strength_if_harmful,
            f"the first step changes the weights by {amount(step)} times their size",
            f"lower the learning rate of {look.arm.learning_rate:g}, by a factor of about {amount(100 * step)}",
            causes.LARGE_RATE,
        )
    if look.horizon is not None and step * look.horizon < _LEAST:
        clipped = float(np.median(look.clipped))
        if step * look.horizon >= _LEAST * clipped:
            return Finding(
                "step_size",
                "sign",
                f"with gradients cut to a norm of {look.arm.clip_norm:g}, which is {clipped:.1g} of what they are, "
                f"steps move the weights by {100 * step * look.horizon:.1g} % at most in {look.horizon:,} steps",
                "a larger --clip_norm, such as 1, or none",
                causes.ALTERED,
            )
        return Finding(
            "step_size",
            "sign",
            f"steps of {step:.1g} of the weights move them by {100 * step * look.horizon:.1g} % at most in "
            f"{look.horizon:,} steps",
            f"raise the learning rate of {look.arm.learning_rate:g}",
            causes.SMALL_RATE,
        )
    return None
