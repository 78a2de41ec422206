"""The optimiser of an arm, as a function of numbers that are arguments of the compiled program."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from ..arms.arm import Arm, values_of
from ..user_code import is_reference
from .optimizers import Hyperparams, own
from .registry import OPTIMIZERS, SCHEDULES

# Of the optimisers that divide by the root of a second moment: whether they divide that by 1 − β₂ᵗ first.
_IS_CORRECTED = {"adam": True, "adamw": True, "rmsprop": False}


def hyperparams(arm: Arm) -> dict[str, float]:
    """Returns the numbers of a resolved arm that its training program takes as arguments."""
    return {name: float(value) for name, value in values_of(arm, "hyperparam").items()}


def make_optimizer(arm: Arm) -> Callable[[jax.Array, Hyperparams], optax.GradientTransformation]:
    """Returns a function from (step, hyperparameters), both of which may be traced, to the optax transformation."""
    is_own = is_reference(arm.optimizer)
    build, rate = own.build_of(arm) if is_own else OPTIMIZERS.load(arm.optimizer).build, make_rate(arm)

    def make(step: jax.Array, h: Hyperparams) -> optax.GradientTransformation:
        optimizer: optax.GradientTransformation = build(rate(step, h), h, arm.options)
        return optax.chain(optax.clip_by_global_norm(h["clip_norm"]), optimizer) if "clip_norm" in h else optimizer

    return make


def make_rate(arm: Arm) -> Callable[[jax.Array, Hyperparams], jax.Array]:
    """Returns a function from (step, hyperparameters), both of which may be traced, to the learning rate."""
    factor = SCHEDULES.load(arm.schedule).factor
    return lambda step, h: h["learning_rate"] * factor(step.astype("float32"), h)


def has_second_moment(arm: Arm) -> bool:
    """Tells whether the arm's optimiser divides by the root of a second moment."""
    return arm.optimizer in _IS_CORRECTED


def second_moment(arm: Arm, h: Hyperparams, step: jax.Array, opt_state: Any) -> Any:
    """Returns v̂, by which the update at `step` is divided, a tree like the parameters; `opt_state` is after it."""
    moment = optax.tree_utils.tree_get(opt_state, "nu")
    if not _IS_CORRECTED[arm.optimizer]:
        return moment
    correction = 1 - h["beta2"] ** (step + 1)
    return jax.tree.map(lambda leaf: leaf / correction, moment)
