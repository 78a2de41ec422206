"""Makes the loss of an arm: one of `LOSSES`, or a function of the user's."""

import math
import sys
from typing import Any

import jax.numpy as jnp

from .. import user_code
from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from ..registry import fingerprint_sources
from ..user_code import is_reference
from . import Loss, Targets, constant, most_likely_is_right
from .registry import LOSSES

# Of functions of the user's.
OPTIONS: tuple[Option, ...] = ()
_FEW = 3
# Less is what rounding leaves of a constant that has no loss at all.
_LEAST = 1e-12


def source_fingerprint(name: str) -> str:
    """Returns the SHA-256 of the sources of a loss."""
    if is_reference(name):
        return user_code.fingerprint(name, "loss")
    return fingerprint_sources(LOSSES.load(name), sys.modules[Loss.__module__], constant)


def make_loss(arm: Arm, targets: Targets) -> Loss:
    """Returns the loss that an arm names; raises InputError where it does not fit the targets."""
    assert arm.loss is not None
    if not is_reference(arm.loss):
        made: Loss = LOSSES.load(arm.loss).make(targets, arm.options)
        return made
    function = user_code.load(arm.loss, "loss")
    if not callable(function):
        raise InputError(f"loss={arm.loss} is no function: expected one of (outputs, targets) that returns losses")
    correct = most_likely_is_right if targets.are_classes else None
    loss = Loss(function, targets.num_outputs, correct)
    _check(arm, loss, targets)
    return loss


def chance_level(arm: Arm, loss: Loss, targets: Targets, evaluated: Targets) -> float:
    """Returns the loss of the best constant, which is found on the training targets.

    It is taken on the training targets of classes, and of values on those by which runs are evaluated, so that who has
    learned nothing else is at chance exactly. NaN where a loss of the user's has no such thing: the best constant has
    none, or one that is not above 0. Raises InputError where that is so of one of `LOSSES`.
    """
    if loss.chance is not None:
        return loss.chance
    try:
        best = constant.best_constant(loss, targets)
        chance = constant.mean_loss(loss, best, targets if targets.are_classes else evaluated)
    except InputError as error:
        chance, reason = math.nan, str(error)
    else:
        reason = f"the best constant output has a mean loss of {chance:.3g}; expected one above 0, as losses are taken"
        reason += " relative to it"
    if chance > _LEAST:
        return chance
    if is_reference(str(arm.loss)):
        return math.nan
    raise InputError(f"loss={arm.loss}: {reason}")


def _check(arm: Arm, loss: Loss, targets: Targets) -> None:
    """Raises InputError where a function of the user's cannot be traced, or returns something else than losses."""
    outputs, of_targets = targets.shapes(_FEW, loss.num_outputs)
    found: Any = user_code.traced(f"loss={arm.loss}", loss.of_examples, outputs, of_targets)
    shape = getattr(found, "shape", None)
    if shape != (_FEW,) or not jnp.issubdtype(found.dtype, jnp.floating):
        what = type(found).__name__ if shape is None else f"{found.dtype} of shape {list(shape)}"
        raise InputError(
            f"loss={arm.loss} returns {what} for outputs {list(outputs.shape)}: expected a number for each example, "
            f"[{_FEW}]"
        )
