"""The second moment by which an optimiser divides, as the next update uses it."""

from typing import Any

import jax
import optax

from engine.arms.arm import Arm
from engine.training.probes.diagnostic import Snapshot

# Whether the optimiser divides its second moment by 1 − β₂ᵗ.
_IS_CORRECTED = {"adam": True, "adamw": True, "rmsprop": False}


def has_second_moment(arm: Arm) -> bool:
    """Tells whether the arm's optimiser divides by the root of a second moment."""
    return arm.optimizer in _IS_CORRECTED


def second_moment(arm: Arm, snapshot: Snapshot) -> Any:
    """Returns the second moment v̂ of the next update, a tree like the parameters."""
    moment = optax.tree_utils.tree_get(snapshot.first.state.opt_state, "nu")
    if not _IS_CORRECTED[arm.optimizer]:
        return moment
    correction = 1 - snapshot.hyperparams["beta2"] ** (snapshot.state.step + 1)
    return jax.tree.map(lambda leaf: leaf / correction, moment)
