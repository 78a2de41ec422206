"""A pair of plain functions `(init, apply)` as a network."""

from collections.abc import Callable
from typing import Any

import jax

from engine.errors import InputError
from engine.models.model import Model, model_of
from engine.models.modes import Mode, parameter_names, switches

_STATE = ("state", "model_state", "batch_stats")
_KEY = ("key", "rng", "rng_key", "noise_key", "prng_key")
_MAKES = "expected init(key, inputs) -> params and apply(params, inputs) -> outputs"


def adapt(init_fn: Callable[..., Any], apply_fn: Callable[..., Any]) -> Model:
    """The network of two functions that were written for one run.

    `init(key, inputs)` returns the parameters, and `apply(params, inputs)` the outputs, in
    whatever order they have them. Where `apply` has a parameter called `state`, `init` returns
    `(params, state)` and `apply` `(outputs, state)`. Where it has one called `key` or `rng` it gets
    the noise, and one under a name in `engine.models.modes` says whether it is for training.

    Raises:
        InputError: the functions do not have such parameters.
    """
    _refuse_other_init(init_fn)
    names = parameter_names(apply_fn)
    has_state = any(name in _STATE for name in names)
    keyed = [name for name in names if name in _KEY]
    others = [n for n in names if n not in (*_STATE, *_KEY) and n not in switches(names, "train")]
    if len(others) < 2:
        raise InputError(f"apply({', '.join(names)}): {_MAKES}")
    params_name, inputs_name = others[:2]

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        made = init_fn(key, inputs)
        if not has_state:
            return made, {}
        if not (isinstance(made, tuple) and len(made) == 2):
            raise InputError("init: expected (params, state), because apply takes a state")
        return made

    def run(mode: Mode, params: Any, state: Any, inputs: Any, key: Any) -> tuple[jax.Array, Any]:
        values: dict[str, Any] = {params_name: params, inputs_name: inputs}
        values |= switches(names, mode)
        values |= dict.fromkeys(keyed, key)
        values |= {name: state for name in names if name in _STATE}
        outputs = _called(apply_fn, values)
        if not has_state:
            return outputs, {}
        if not (isinstance(outputs, tuple) and len(outputs) == 2):
            raise InputError("apply: expected (outputs, state), because it takes a state")
        return outputs

    return model_of(init, run)


def _refuse_other_init(init_fn: Callable[..., Any]) -> None:
    """Raises InputError where `init` cannot be called with a key and inputs."""
    import inspect

    try:
        signature = inspect.signature(init_fn)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, None)
    except TypeError:
        raise InputError(f"init({', '.join(signature.parameters)}): {_MAKES}") from None


def _called(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Calls by name what can be called so, and by position what cannot."""
    import inspect

    parameters = inspect.signature(function).parameters
    positional = [values[n] for n, p in parameters.items() if p.kind == p.POSITIONAL_ONLY and n in values]
    keywords = {
        n: v for n, v in values.items() if n in parameters and parameters[n].kind != inspect.Parameter.POSITIONAL_ONLY
    }
    return function(*positional, **keywords)
