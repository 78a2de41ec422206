"""A Haiku module, or a pair of functions that Haiku made of one, as pure functions."""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import jax

from ...tasks.parts import as_arguments
from ..model import Mode, Model, model_of, parameter_names, switches


def adapt(make: Callable[[], Any], example_shape: tuple[int, ...], is_transformed: bool = False) -> Model:
    """Returns the pure functions of a module, which `make` makes where Haiku can, or of what `hk.transform` returned.

    Arguments of the call named in `engine.models.model` tell training from evaluation; with batch statistics,
    evaluation tells `BatchNorm` layers to use the batch. Random numbers follow from the run's noise.
    """
    import haiku as hk

    def call(*inputs: Any, **values: Any) -> Any:
        return make()(*inputs, **values)

    # Transformed again, so that state and random numbers are always there.
    function = make().init._original_fn if is_transformed else call
    names = parameter_names(function) if is_transformed else _arguments_of_made(make)
    pair = hk.transform_with_state(function)

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        args, named = as_arguments(example_shape, inputs, names)
        return pair.init(key, *args, **named, **switches(names, "train"))

    def run(mode: Mode, params: Any, state: Any, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, Any]:
        over_batch = hk.intercept_methods(_over_batch) if mode == "batch" else contextlib.nullcontext()
        args, named = as_arguments(example_shape, inputs, names)
        with over_batch:
            return pair.apply(params, state, key, *args, **named, **switches(names, mode))

    return model_of(init, run)._replace(library="Haiku")


def _arguments_of_made(make: Callable[[], Any]) -> list[str]:
    """Returns what a module is called with; it is made where Haiku makes modules, inside what is transformed."""
    import haiku as hk

    found: list[str] = []

    def look() -> None:
        found.extend(parameter_names(type(make()).__call__))

    hk.transform_with_state(look).init(jax.random.key(0, impl="threefry2x32"))
    return found


def _over_batch(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a layer, as in training where it normalises over the batch."""
    import haiku as hk

    if not isinstance(context.module, hk.BatchNorm) or context.method_name != "__call__":
        return call(*args, **kwargs)
    bound = inspect.signature(hk.BatchNorm.__call__).bind(context.module, *args, **kwargs)
    bound.arguments["is_training"] = True
    return call(*bound.args[1:], **bound.kwargs)
