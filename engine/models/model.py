"""What the engine sees of a network: pure functions of parameters and state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from engine.models.modes import Mode

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

    `init` goes from (key, inputs `[batch, …]`) to (params, model state), `train_apply` from (params, state, inputs,
    noise key) to (outputs, new state) with dropout and normalisation by the batch. `batch_apply`, the evaluation that
    detects, goes from (params, state, inputs) to outputs without dropout; `average_apply` uses running averages.
    """

    init: Callable[[jax.Array, jax.Array], tuple[Any, Any]]
    train_apply: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]]
    batch_apply: Callable[[Any, Any, jax.Array], jax.Array]
    average_apply: Callable[[Any, Any, jax.Array], jax.Array]


def model_of(
    init: Callable[[jax.Array, jax.Array], tuple[Any, Any]],
    run: Callable[[Mode, Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]],
) -> Model:
    """Makes the evaluations of a network from its one `run` (mode, …), with a fixed key, dropping the new state."""

    def train_apply(params: Any, state: Any, inputs: jax.Array, noise_key: jax.Array) -> tuple[jax.Array, Any]:
        return run("train", params, state, inputs, noise_key)

    def evaluator(mode: Mode) -> Callable[[Any, Any, jax.Array], jax.Array]:
        def apply(params: Any, state: Any, inputs: jax.Array) -> jax.Array:
            return run(mode, params, state, inputs, jax.random.key(0, impl="threefry2x32"))[0]

        return apply

    return Model(init, train_apply, evaluator("batch"), evaluator("average"))
