"""A Flax NNX module as pure functions."""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from engine.models.model import Model, model_of
from engine.models.modes import Mode, parameter_names, switches


def adapt(build: Callable[[nnx.Rngs], nnx.Module]) -> Model:
    """The pure functions of a module that was written for one run, as it is.

    Training and evaluation are the module's own `train()` and `eval()`, and arguments of
    `__call__` under any of the names in `engine.models.modes`. Evaluation with batch statistics is
    `eval()` with layers of type `BatchNorm` told to use the batch. Variables of every type but
    `Param` are carried; random streams that the module keeps follow from the run's noise.

    Args:
        build: makes the module of random streams.
    """
    definition, abstract_params, streams, abstract_state = _split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        _, params, _, state = _split(build(nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(state)

    def run(mode: Mode, params: Any, state: Any, inputs: Any, key: Any) -> tuple[jax.Array, Any]:
        module = nnx.merge(
            definition, _filled(abstract_params, params), _fresh(streams, key), _filled(abstract_state, state)
        )
        _set_mode(module, mode)
        names = parameter_names(type(module).__call__)
        keywords = switches(names, mode)
        if "rngs" in names:
            keywords["rngs"] = nnx.Rngs(key)
        outputs = module(inputs, **keywords)
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
    """The random streams that a module keeps, begun anew from a key."""
    leaves, tree = jax.tree.flatten(streams)
    is_key = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    fresh = [
        jax.random.fold_in(key, i) if k else jnp.zeros(leaf.shape, leaf.dtype)
        for i, (leaf, k) in enumerate(zip(leaves, is_key, strict=True))
    ]
    return jax.tree.unflatten(tree, fresh)


def _set_mode(module: nnx.Module, mode: Mode) -> None:
    module.train() if mode == "train" else module.eval()
    if mode == "batch":
        module.set_attributes(nnx.BatchNorm, use_running_average=False, raise_if_not_found=False)
