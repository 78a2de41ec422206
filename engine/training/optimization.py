"""The optimiser of an arm, as a function of traced numbers.

Every number is an argument of the compiled program, so arms that differ only in numbers share it.
"""

from collections.abc import Callable, Mapping

import jax
import optax

from engine.arms.arm import Arm, values_of
from engine.training.registry import OPTIMIZERS, SCHEDULES

Hyperparams = Mapping[str, jax.Array]


def hyperparams(arm: Arm) -> dict[str, float]:
    """Returns the numbers of a resolved arm that its training program takes as arguments."""
    return {name: float(value) for name, value in values_of(arm, "hyperparam").items()}


def make_optimizer(arm: Arm) -> Callable[[jax.Array, Hyperparams], optax.GradientTransformation]:
    """Returns a function from (step, hyperparameters), both of which may be traced, to the optax transformation."""
    build, rate = OPTIMIZERS.load(arm.optimizer).build, make_rate(arm)
    return lambda step, h: build(rate(step, h), h, arm.options)


def make_rate(arm: Arm) -> Callable[[jax.Array, Hyperparams], jax.Array]:
    """Returns a function from (step, hyperparameters), both of which may be traced, to the learning rate."""
    factor = SCHEDULES.load(arm.schedule).factor
    return lambda step, h: h["learning_rate"] * factor(step.astype("float32"), h)
