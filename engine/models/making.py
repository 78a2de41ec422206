"""Makes the network of an arm, and checks that it fits its inputs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ..arms.arguments import canonical_args
from ..arms.arm import Arm
from ..errors import InputError
from ..tasks.parts import PackedShape
from ..tasks.reading import host_memory
from ..user_code import canonical, is_reference
from .adapters import linen
from .adapting import described
from .building import user_failure, user_model, user_model_as_written
from .initial import AS_WRITTEN
from .jaxpr import equations
from .model import MAIN_OUTPUTS, Model, handing_tokens, wants_whole_numbers
from .registry import MODELS

# Batch size with which shapes are found: with 1, a lost batch axis would not show.
_FEW = 2


def choose_network(arm: Arm) -> Arm:
    """Returns the arm with its initial scheme named, and the user's network in the form that is stored."""
    if not is_reference(arm.model):
        if arm.model.endswith(".py"):
            raise InputError(f"model={arm.model}: say which network in it: {arm.model}:NAME")
        if arm.model_args:
            raise InputError(
                f"model_args={arm.model_args!r} has no effect with model={arm.model}: leave it out, or choose what "
                f"uses it"
            )
        return arm.replace(init=arm.init or "normal")
    if arm.dropout:
        raise InputError(
            f"dropout={arm.dropout:g}: a network of your own has the dropout that is written in it; expected 0, which "
            f"switches it off, or nothing"
        )
    # Who names a scale means the scheme that has one.
    init = arm.init or (AS_WRITTEN if arm.init_scale is None else "normal")
    return arm.replace(
        init=init, model=canonical(arm.model, "model"), model_args=canonical_args(arm.model_args, "model_arg")
    )


def make_model(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> Model:
    """Returns the arm's network for such inputs and outputs; raises InputError where it cannot."""
    is_half = arm.precision == "bfloat16"
    if isinstance(example_shape, PackedShape) and is_half:
        example_shape = PackedShape(example_shape.parts, is_half)
    if is_reference(arm.model):
        model = user_model(arm, example_shape, num_outputs)
    elif isinstance(example_shape, PackedShape):
        raise InputError(
            f"model={arm.model} takes one input, and dataset={arm.dataset} has {len(example_shape.parts)}: expected a "
            f"network of your own, or one of them as --input_arrays or --input_columns"
        )
    else:
        model = handing_tokens(linen.adapt(MODELS.load(arm.model).build(arm, num_outputs)))
    if not is_half:
        return model
    are_several = isinstance(example_shape, PackedShape)
    return model._replace(are_whole=are_several or takes_tokens(arm, example_shape, num_outputs))


def has_own_dropout(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> bool:
    """Tells whether the arm's network is the user's and draws numbers in training that `dropout=0` takes away."""
    if not is_reference(arm.model):
        return False
    model = make_model(arm, example_shape, num_outputs)
    key = jax.eval_shape(lambda: jax.random.key(0))
    example = jax.ShapeDtypeStruct((_FEW, *example_shape), jnp.float32)
    params, state = jax.eval_shape(model.init, key, example)

    def draws(apply: Callable[..., Any]) -> bool:
        traced = jax.make_jaxpr(apply)(params, state, example, key)
        return any(eqn.primitive.name == "random_bits" for eqn in equations(traced))

    return draws(model.train_apply) and not draws(model.quiet_apply)


def takes_tokens(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> bool:
    """Tells whether the arm's network takes whole numbers only, as those that name tokens."""
    if not is_reference(arm.model):
        return getattr(MODELS.load(arm.model), "TAKES_TOKENS", False)
    model = user_model_as_written(arm, example_shape, num_outputs)
    example = jax.ShapeDtypeStruct((_FEW, *example_shape), jnp.float32)
    try:
        params, state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), example)
        jax.eval_shape(model.batch_apply, params, state, example)
    except Exception as error:
        return wants_whole_numbers(error)
    return False


def check_fit(arm: Arm, example_shape: tuple[int, ...], num_outputs: int, num_positions: int | None = None) -> None:
    """Checks, by shapes alone, that the arm's network can be built for such inputs; raises InputError.

    Its outputs must be `[batch, num_outputs]`, or with positions `[batch, num_positions, num_outputs]`.
    """
    if arm.model == "cnn8" and len(example_shape) != len(("height", "width", "channels")):
        raise InputError(
            f"model=cnn8 is for images, and the inputs of dataset={arm.dataset} have the shape {list(example_shape)}: "
            f"give --model=mlp, or another"
        )
    model = make_model(arm, example_shape, num_outputs)
    key = jax.eval_shape(lambda: jax.random.key(0))
    example = jax.ShapeDtypeStruct((_FEW, *example_shape), jnp.float32)
    where = f"does not fit dataset={arm.dataset} with inputs {example_shape}"
    try:
        params, state = jax.eval_shape(model.init, key, example)
        is_empty = any(leaf.size == 0 for leaf in jax.tree.leaves(params))
    except ZeroDivisionError:  # what Flax makes of a layer without inputs
        is_empty = True
    except Exception as error:
        raise _misfit(arm, where, error) from error
    if is_empty:
        raise InputError(f"model={arm.model} {where}: nothing of the input is left after pooling")
    _check_params(arm, model, params)
    try:
        outputs, new_state = jax.eval_shape(model.train_apply, params, state, example, key)
        evaluated = [jax.eval_shape(f, params, state, example) for f in (model.batch_apply, model.average_apply)]
    except Exception as error:
        raise _misfit(arm, where, error) from error
    for found in (outputs, *evaluated):
        _check_outputs(arm, found, (_FEW, *([] if num_positions is None else [num_positions]), num_outputs))
    if arm.auxiliary_weight and model.train_all is not None:
        (_, others), _ = jax.eval_shape(model.train_all, params, state, example, key)
        if not others:
            raise InputError(
                f"auxiliary_weight={arm.auxiliary_weight:g} has no effect with model={arm.model}, which gives no "
                f"further output of the same shape in training: leave it out"
            )
    _check_state(arm, state, new_state)


def _check_params(arm: Arm, model: Model, params: Any) -> None:
    """Raises InputError where a network has nothing to train, or nothing that can be trained here."""
    if not jax.tree.leaves(params):
        raise InputError(f"model={arm.model} has no parameters: there is nothing to train")
    for leaf in jax.tree.leaves(params):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise InputError(f"model={arm.model} has parameters of type {leaf.dtype}: expected floats")
    if arm.precision == "bfloat16" and model.library == "Keras":
        raise InputError(
            f"precision=bfloat16 has no effect on model={arm.model}: layers of Keras have a type of their own; "
            f"keras.config.set_dtype_policy('mixed_bfloat16') at the top of its file chooses it"
        )
    _check_memory(arm, params)


def _check_state(arm: Arm, state: Any, new_state: Any) -> None:
    """Raises InputError where what a network keeps has another form after a step."""
    if jax.tree.structure(state) == jax.tree.structure(new_state):  # type: ignore[operator]
        return
    parts = sorted({*state, *new_state}) if isinstance(state, dict) and isinstance(new_state, dict) else []
    changed = [name for name in parts if jax.tree.structure(state.get(name)) != jax.tree.structure(new_state.get(name))]  # type: ignore[operator]
    which = f"its collection {', '.join(map(repr, changed))}" if changed else "its state"
    hint = ": what `sow` adds is a part of the loss in `losses`, and dropped in `intermediates`" if changed else ""
    raise InputError(f"model={arm.model} changes the form of {which} in a step{hint}")


def _check_memory(arm: Arm, params: Any) -> None:
    """Raises InputError where not even the parameters of one run have room: values, gradient and step."""
    leaves, limit = jax.tree.leaves(params), host_memory()
    needed = 3 * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    if limit is not None and needed > limit:
        number = sum(leaf.size for leaf in leaves)
        raise InputError(
            f"model={arm.model} has {number:,} parameters, which take {needed / 2**30:,.0f} GiB with their gradient "
            f"and a step: expected at most the {limit / 2**30:,.0f} GiB of this machine"
        )


def _misfit(arm: Arm, where: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    if is_reference(arm.model):
        failure = user_failure(arm, where, error)
        is_of_devices = isinstance(error, NameError) and "unbound axis name" in str(error)
        return InputError(f"{failure}; a run is on one device: leave the axis out") if is_of_devices else failure
    return InputError(f"model={arm.model} {where}: {str(error).splitlines()[0]}")


def _check_outputs(arm: Arm, outputs: Any, shape: tuple[int, ...]) -> None:
    if not hasattr(outputs, "shape"):
        if isinstance(outputs, Mapping) and not outputs.keys() & {*MAIN_OUTPUTS}:
            names = ", ".join(map(repr, outputs))
            raise InputError(
                f"model={arm.model} returns a dictionary of {names}: expected one array of outputs, or one called "
                f"{' or '.join(MAIN_OUTPUTS)} among them"
            )
        hint = ""
        if isinstance(outputs, (tuple, list, Mapping)):
            hint = ": --auxiliary_weight=0 takes the first of them alone, or that called logits, outputs or out"
            hint += ", and another weight adds the loss of the others in training"
        raise InputError(f"model={arm.model} returns {described(outputs)}: expected one array of outputs{hint}")
    if tuple(outputs.shape) != shape:
        found = ("batch", *outputs.shape[1:]) if outputs.shape[:1] == shape[:1] else outputs.shape
        each = "one for each class or target" if len(shape) == len(("batch", "output")) else "one for each token"
        raise InputError(
            f"model={arm.model} returns outputs of shape ({', '.join(map(str, found))}): expected "
            f"({', '.join(map(str, ('batch', *shape[1:])))}), {each} of dataset={arm.dataset}"
        )
    if not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise InputError(f"model={arm.model} returns outputs of type {outputs.dtype}: expected floats")
