"""An optimiser of the user's: a function from a learning rate, and typed arguments, to an optax transformation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ... import user_code
from ...arms.arguments import canonical_args, parse_args
from ...arms.arm import Arm
from ...errors import InputError, told
from ...user_code import is_reference
from . import CLIP_NORM, L2_DECAY, Hyperparams, Options, updated, with_l2

OPTIONS = (L2_DECAY, CLIP_NORM)

Build = Callable[[jax.Array, Hyperparams, Options], optax.GradientTransformation]


def choose_optimizer(arm: Arm) -> Arm:
    """Returns the arm with its optimiser in the form that is stored; raises InputError for arguments without a use."""
    if is_reference(arm.optimizer):
        args = canonical_args(arm.optimizer_args, "optimizer_arg")
        return arm.replace(optimizer=user_code.canonical(arm.optimizer, "optimizer"), optimizer_args=args)
    if arm.optimizer_args:
        raise InputError(
            f"optimizer_args={arm.optimizer_args!r} has no effect with optimizer={arm.optimizer}: leave it out, or "
            f"choose what uses it"
        )
    return arm


def build_of(arm: Arm) -> Build:
    """Returns what builds the optimiser that a reference names; raises InputError where it names no function."""
    function = user_code.load(arm.optimizer, "optimizer")
    if not callable(function):
        raise InputError(
            f"optimizer={arm.optimizer} is no function: expected one of (learning_rate), which returns an optax "
            f"transformation"
        )
    values = parse_args(arm.optimizer_args, "optimizer_arg")

    def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
        return with_l2(function(rate, **values), h)

    return build


def check_optimizer(arm: Arm, make: Callable[..., optax.GradientTransformation], numbers: dict[str, float]) -> None:
    """Raises InputError, in one line, where an optimiser of the user's fails, or is no transformation."""
    if not is_reference(arm.optimizer):
        return
    params = {"weights": jax.ShapeDtypeStruct((2, 3), jnp.float32)}

    def step(params: Any, step: Any, numbers: Any) -> Any:
        optimizer = make(step, numbers)
        if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
            raise InputError(
                f"optimizer={arm.optimizer} returns {type(optimizer).__name__}: expected an optax transformation, with "
                f"init and update"
            )
        updates, _ = updated(optimizer, params, optimizer.init(params), params, jnp.float32(1))
        return optax.apply_updates(params, updates)

    try:
        found = jax.eval_shape(step, params, jnp.int32(0), {name: jnp.float32(v) for name, v in numbers.items()})
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"optimizer={arm.optimizer} fails: {_reason(arm, error)}") from error
    if jax.tree.structure(found) != jax.tree.structure(params):  # type: ignore[operator]
        raise InputError(f"optimizer={arm.optimizer} returns updates of another form than the parameters")


def _reason(arm: Arm, error: Exception) -> str:
    words = told(error)
    if isinstance(error, jax.errors.ConcretizationTypeError):
        words = "it decides by the value of the learning rate, which is an argument of the compiled program"
    return f"{words}{user_code.line_of(error, user_code.load(arm.optimizer, 'optimizer'))}"
