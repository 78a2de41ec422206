"""Values to predict that are far from what a network's outputs are at the start.

Definition, of regression: the root mean square of the targets, about 0, is above 100 times the larger of 1 and that of
the outputs at the start; or their standard deviation (the median over columns that vary) is below 0.01 of it. It is a
sign, which a training may get over, where the root mean square is above 5 times that, and the loss begins at above 10
times that of the best constant, or where the configuration's own optimiser learns one batch all the same. The bounds
are in `engine/tasks/scales.py`. An optimiser that moves each weight by its learning rate brings outputs of order one
only so far in a training, and the first gradients are as large as the offset. Source: LeCun et al. (1998), "Efficient
BackProp", sections 4.5 and 4.6. False alarms: see docs/check.md.
"""

import numpy as np

from ..tasks.scales import WORTH_A_TRY, are_wrong_targets, scale_of
from . import causes
from .findings import Finding, amount
from .look import Look

_MOST = 10.0


def find(look: Look) -> Finding | None:
    """Finds targets that are far too large, too small or too far from 0."""
    if look.has_classes:
        return None
    targets = np.asarray(look.training.targets, np.float64)
    reach = max(1.0, float(np.sqrt(np.mean(look.outputs**2))) if np.all(np.isfinite(look.outputs)) else 1.0)
    scale = scale_of(targets.reshape(len(targets), -1))
    is_far = scale.size > WORTH_A_TRY.most * reach and np.median(look.losses) > _MOST * look.chance_loss
    is_wrong = are_wrong_targets(scale, reach)
    if not is_wrong and not is_far:
        return None
    about = f"a mean of {amount(float(targets.mean()))} and a standard deviation of {amount(float(targets.std()))}"
    return Finding(
        "target_scale",
        look.strength_if_harmful if is_wrong else "sign",
        f"the targets have {about}, while the outputs are of order {amount(reach)} at the start",
        "standardise the targets by their mean and standard deviation (--target_scaling=standard), and undo it when "
        "the network is used",
        causes.TARGETS,
    )
