"""What the engine sees of a network: pure functions of parameters and state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.errors import FlaxError

from engine.config import Arm, fill_defaults
from engine.errors import InputError, unknown_name
from engine.models.initial import SCHEMES
from engine.models.registry import MODELS

_MODEL_FIELDS = (
    "conv_widths",
    "pool_after",
    "dense_widths",
    "activation",
    "batch_norm",
    "dropout",
)

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jax.nn.tanh,
    "sigmoid": jax.nn.sigmoid,
}


class Model(NamedTuple):
    """A network, written for one run.

    Attributes:
        init: from (key, inputs `[batch, …]`) to (params, model state).
        train_apply: from (params, state, inputs, noise key) to (outputs `[batch, …]`, new state):
            dropout on, normalisation by the batch.
        batch_apply: from (params, state, inputs) to outputs: dropout off, normalisation by the
            batch. This is the evaluation that detects.
        average_apply: the same with running averages in the place of batch statistics.
    """

    init: Callable[[jax.Array, jax.Array], tuple[Any, Any]]
    train_apply: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]]
    batch_apply: Callable[[Any, Any, jax.Array], jax.Array]
    average_apply: Callable[[Any, Any, jax.Array], jax.Array]


def resolve(arm: Arm) -> dict[str, Any]:
    """Values of every field that the arm's model and initial scheme use.

    Raises:
        InputError: a name is unknown, or a field is set that is not used.
    """
    used = MODELS.load(arm.model).USED
    if arm.activation not in ACTIVATIONS:
        raise unknown_name("activation", arm.activation, ACTIVATIONS)
    if arm.init not in SCHEMES:
        raise unknown_name("init", arm.init, SCHEMES)
    return {
        **fill_defaults(arm, f"model={arm.model}", _MODEL_FIELDS, used),
        **fill_defaults(arm, f"init={arm.init}", ("init_scale",), SCHEMES[arm.init].used),
    }


def make_model(arm: Arm, num_outputs: int) -> Model:
    """The arm's network with an output layer of `num_outputs` units.

    The module's `__call__` takes `(inputs, use_running_average, is_deterministic)`.
    """
    module = MODELS.load(arm.model).build(arm, num_outputs)

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        state = dict(module.init(key, inputs, use_running_average=True, is_deterministic=True))
        return state.pop("params"), state

    def train_apply(
        params: Any, state: Any, inputs: jax.Array, noise_key: jax.Array
    ) -> tuple[jax.Array, Any]:
        outputs, new_state = module.apply(
            {"params": params, **state},
            inputs,
            use_running_average=False,
            is_deterministic=False,
            mutable=list(state),
            rngs={"dropout": noise_key},
        )
        return outputs, dict(new_state)

    def batch_apply(params: Any, state: Any, inputs: jax.Array) -> jax.Array:
        outputs, _ = module.apply(
            {"params": params, **state},
            inputs,
            use_running_average=False,
            is_deterministic=True,
            mutable=list(state),
        )
        return outputs

    def average_apply(params: Any, state: Any, inputs: jax.Array) -> jax.Array:
        return module.apply(
            {"params": params, **state},
            inputs,
            use_running_average=True,
            is_deterministic=True,
        )

    return Model(init, train_apply, batch_apply, average_apply)


def check_fit(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> None:
    """Builds the arm's network for inputs of a shape, without computing anything.

    Raises:
        InputError: it cannot be built for them, or some layer is left without any unit.
    """
    model = make_model(arm, num_outputs)
    key = jax.eval_shape(lambda: jax.random.key(0))
    example = jax.ShapeDtypeStruct((1, *example_shape), jnp.float32)
    where = f"model={arm.model} does not fit dataset={arm.dataset} with inputs {example_shape}"
    try:
        params, _ = jax.eval_shape(model.init, key, example)
        is_empty = any(leaf.size == 0 for leaf in jax.tree.leaves(params))
    except ZeroDivisionError:  # what Flax makes of a layer without inputs
        is_empty = True
    except (TypeError, ValueError, IndexError, FlaxError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{where}: {reason}") from error
    if is_empty:
        raise InputError(f"{where}: nothing of the input is left after pooling")
