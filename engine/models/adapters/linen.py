"""A Flax Linen module as pure functions."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from ...tasks.parts import as_arguments
from ..model import Mode, Model, model_of, parameter_names, switches

# Collections that `sow` fills; what is in the first is a part of the loss.
_LOSSES = "losses"
_SOWN = (_LOSSES, "intermediates")


def adapt(module: nn.Module, example_shape: tuple[int, ...] = ()) -> Model:
    """Returns the pure functions of a module that was written for one run, whose `__call__` takes inputs first.

    An argument of `__call__` or the constructor named in `engine.models.model` tells training from evaluation; with
    batch statistics, evaluation tells `BatchNorm` layers to use the batch. Statistics over an axis of devices are those
    of the one device that a run is on. All collections but `params` are state, without what `sow` leaves behind: in
    `losses` that is added to the loss in training. Every random stream follows from the run's noise.
    """
    kind = type(module)
    names = parameter_names(kind.__call__)

    def bound(mode: Mode) -> tuple[nn.Module, dict[str, Any]]:
        values = switches(names, mode)
        fields = {n: v for n, v in switches(kind.__dataclass_fields__, mode).items() if n not in values}
        return module.clone(**fields) if fields else module, values

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        evaluated, values = bound("average")
        args, named = as_arguments(example_shape, inputs, names)
        state = dict(evaluated.init(key, *args, **named, **values))
        return state.pop("params", {}), {name: kept for name, kept in state.items() if name not in _SOWN}

    def called(mode: Mode, params: Any, state: Any, inputs: Any, key: jax.Array, *sown: str) -> tuple[jax.Array, Any]:
        set_module, values = bound(mode)
        # A stream that a module asks for by another name falls back on that of `params`.
        rngs = {"dropout": key, "params": jax.random.fold_in(key, 1)} if mode == "train" else None
        statistics = nn.intercept_methods(_with_batch_statistics) if mode == "batch" else contextlib.nullcontext()
        variables = {"params": params, **state}
        args, named = as_arguments(example_shape, inputs, names)
        with nn.intercept_methods(_on_one_device), statistics:
            mutable = [*state, *sown]
            outputs, new_state = set_module.apply(variables, *args, **named, **values, mutable=mutable, rngs=rngs)
        return outputs, dict(new_state)

    def penalty(params: Any, state: Any, inputs: jax.Array, key: jax.Array) -> jax.Array:
        """Returns the sum of what the module has sown into its losses."""
        sown = called("train", params, state, inputs, key, _LOSSES)[1].get(_LOSSES, {})
        return jnp.sum(jnp.stack([jnp.sum(loss) for loss in jax.tree.leaves(sown)]))

    model = model_of(init, called)
    return model._replace(penalty=penalty) if _sows_losses(bound("train"), example_shape, names) else model


def _sows_losses(set_module: tuple[nn.Module, dict[str, Any]], example_shape: tuple[int, ...], names: Any) -> bool:
    """Tells whether a module sows losses; where it cannot be called, that is said elsewhere."""
    module, values = set_module
    # The engine's own networks have none.
    if not example_shape:
        return False
    for dtype in (jnp.float32, jnp.int32):
        args, named = jax.eval_shape(lambda x: as_arguments(example_shape, x, names), _example(example_shape, dtype))
        with contextlib.suppress(Exception):
            key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
            rngs = {"params": key, "dropout": key}
            return _LOSSES in jax.eval_shape(lambda r, a, n: module.init(r, *a, **n, **values), rngs, args, named)
    return False


def _example(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((2, *shape), dtype)


@contextlib.contextmanager
def _written_otherwise(module: nn.Module, field: str, value: Any) -> Iterator[None]:
    """Gives a field of the constructor another value for as long as the block lasts."""
    as_written = getattr(module, field)
    object.__setattr__(module, field, value)
    try:
        yield
    finally:
        object.__setattr__(module, field, as_written)


def _on_one_device(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a layer, without the axis of devices over which it would normalise."""
    module = context.module
    if getattr(module, "axis_name", None) is None or not isinstance(module, nn.BatchNorm | nn.LayerNorm | nn.GroupNorm):
        return call(*args, **kwargs)
    with _written_otherwise(module, "axis_name", None):
        return call(*args, **kwargs)


def _with_batch_statistics(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a layer, with the statistics of this batch where it normalises over the batch."""
    module = context.module
    if not isinstance(module, nn.BatchNorm) or context.method_name != "__call__":
        return call(*args, **kwargs)
    inputs, *_ = args or (kwargs.pop("x"),)
    # The constructor's value and the call's exclude each other, so it is set in the constructor's place.
    with _written_otherwise(module, "use_running_average", False):
        return call(inputs, **{**kwargs, "use_running_average": None})
