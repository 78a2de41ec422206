"""The second moment by which an optimiser divides, as the next update uses it."""

from typing import Any

import jax
import optax

from engine.arms.arm import Arm
from engine.training.probes.diagnostic import Snapshot

# Whose second moment is divided by 1 − β₂ᵗ, and whose is not.
_IS_CORRECTED = {"adam": True, "adamw": True, "rmsprop": False}


def has_second_moment(arm: Arm) -> bool:
    """Whether the arm's optimiser divides by the root of a second moment."""
    return arm.optimizer in _IS_CORRECTED


def second_moment(arm: Arm, snapshot: Snapshot) -> Any:
    """The second moment v̂ of the update that is taken next, like the parameters."""
    moment = optax.tree_utils.tree_get(snapshot.first.state.opt_state, "nu")
    if not _IS_CORRECTED[arm.optimizer]:
        return moment
    count = snapshot.state.step + 1
    correction = 1 - snapshot.hyperparams["beta2"] ** count
    return jax.tree.map(lambda leaf: leaf / correction, moment)
