"""A Flax NNX module as pure functions."""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ...tasks.parts import as_arguments
from ..model import Mode, Model, model_of, parameter_names, switches


def adapt(build: Callable[[nnx.Rngs], nnx.Module], example_shape: tuple[int, ...] = ()) -> Model:
    """Returns the pure functions of a module that was written for one run.

    Its `train()` and `eval()`, and arguments of `__call__` named in `engine.models.model`, tell training from
    evaluation; with batch statistics, `eval()` tells `BatchNorm` layers to use the batch. Variables of every type but
    `Param` are state; random streams in the module follow from the run's noise.
    """
    definition, abstract_params, streams, abstract_state = _split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        _, params, _, state = _split(build(nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(state)

    def run(mode: Mode, params: Any, state: Any, inputs: Any, key: Any) -> tuple[jax.Array, Any]:
        variables = (_filled(abstract_params, params), _fresh(streams, key), _filled(abstract_state, state))
        module = nnx.merge(definition, *variables)
        module.train() if mode == "train" else module.eval()
        if mode == "batch":
            module.set_attributes(nnx.BatchNorm, use_running_average=False, raise_if_not_found=False)
        names = parameter_names(type(module).__call__)
        rngs = {"rngs": nnx.Rngs(key)} if "rngs" in names else {}
        args, named = as_arguments(example_shape, inputs, names)
        outputs = module(*args, **named, **switches(names, mode), **rngs)
        nnx.pop(module, nnx.Intermediate)
        return outputs, nnx.to_pure_dict(_split(module)[3])

    return model_of(init, run)


def _split(module: nnx.Module) -> Any:
    return nnx.split(module, nnx.Param, nnx.RngState, ...)


def _filled(abstract: nnx.State, values: Any) -> nnx.State:
    state = copy.deepcopy(abstract)
    nnx.replace_by_pure_dict(state, values)
    return state


def _fresh(streams: nnx.State, key: jax.Array) -> nnx.State:
    leaves, tree = jax.tree.flatten(streams)

    def fresh(i: int, leaf: Any) -> jax.Array:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.fold_in(key, i) if is_key else jnp.zeros(leaf.shape, leaf.dtype)

    return jax.tree.unflatten(tree, [fresh(i, leaf) for i, leaf in enumerate(leaves)])
