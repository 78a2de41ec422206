"""A pair of plain functions `(init, apply)` as a network."""

import inspect
from collections.abc import Callable
from typing import Any

import jax

from ...errors import InputError
from ...tasks.parts import apart
from ..model import Mode, Model, model_of, parameter_names, switches

_STATE = ("state", "model_state", "batch_stats")
_KEY = ("key", "rng", "rng_key", "noise_key", "prng_key")
_SHAPE = "input_shape"
_MAKES = "expected init(key, inputs) -> params and apply(params, inputs) -> outputs"


def adapt(init_fn: Callable[..., Any], apply_fn: Callable[..., Any], example_shape: tuple[int, ...] = ()) -> Model:
    """Returns the network of two functions that were written for one run; raises InputError for other parameters.

    `init(key, inputs)` returns the parameters, and `apply(params, inputs)` the outputs, under any names. Where `apply`
    has a parameter `state`, `init` returns `(params, state)` and `apply` `(outputs, state)`. One called `key` or `rng`
    gets the noise, and one named in `engine.models.model` tells training from evaluation. An `init` that takes
    `input_shape` is one of `jax.example_libraries.stax`: it returns the shape of the outputs before the parameters.
    """
    signature = _signature_of(init_fn)
    if signature is not None:
        _refuse_other_init(signature)
    if signature is not None and _SHAPE in signature.parameters:
        return adapt(lambda key, inputs: init_fn(key, inputs.shape)[1], _with_rng(apply_fn), example_shape)
    names = parameter_names(apply_fn)
    states, keys = ([name for name in names if name in group] for group in (_STATE, _KEY))
    others = [name for name in names if name not in (*states, *keys, *switches(names, "train"))]
    if len(others) < 2:
        raise InputError(f"apply({', '.join(names)}): {_MAKES}")
    params_name, inputs_name = others[:2]

    def with_state(found: Any, words: str) -> tuple[Any, Any]:
        if not states:
            return found, {}
        if not (isinstance(found, tuple) and len(found) == 2):
            raise InputError(words)
        return found

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        found = init_fn(key, apart(example_shape, inputs))
        return with_state(found, "init: expected (params, state), because apply takes a state")

    def run(mode: Mode, params: Any, state: Any, inputs: Any, key: Any) -> tuple[jax.Array, Any]:
        given = apart(example_shape, inputs)
        values: dict[str, Any] = {params_name: params, inputs_name: given, **switches(names, mode)}
        values |= dict.fromkeys(keys, key) | dict.fromkeys(states, state)
        return with_state(_called(apply_fn, values), "apply: expected (outputs, state), because it takes a state")

    return model_of(init, run)


def _with_rng(apply_fn: Callable[..., Any]) -> Callable[..., Any]:
    def apply(params: Any, inputs: jax.Array, rng: jax.Array) -> Any:
        return apply_fn(params, inputs, rng=rng)

    return apply


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Returns what a function takes, or `None` where it does not tell."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _refuse_other_init(signature: inspect.Signature) -> None:
    try:
        signature.bind(None, None)
    except TypeError:
        raise InputError(f"init({', '.join(signature.parameters)}): {_MAKES}") from None


def _called(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    parameters = inspect.signature(function).parameters
    positional = [name for name, p in parameters.items() if p.kind == p.POSITIONAL_ONLY and name in values]
    keywords = {n: v for n, v in values.items() if n in parameters and n not in positional}
    return function(*map(values.get, positional), **keywords)
