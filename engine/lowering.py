"""Rewrites a traced network so that its operations stay fast under a seed axis.

`vmap` over inputs and kernels turns a convolution into a grouped one, which XLA runs slowly on
CPUs and GPUs alike. Here every convolution becomes matrix products of shifted slices, which turn
into batched matrix products, and every max pooling becomes a maximum of strided slices. Any
model is rewritten, unchanged: its function is traced, and the trace is evaluated with other rules.
What no rule covers is left as it is.
"""

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core as jax_core

FORMS = ("native", "patches")
_NESTED = ("jit", "pjit", "closed_call", "core_call")

# Below this many inputs to one output, a single product over all shifts beats one per row.
_SMALL_FAN_IN = 32

logger = logging.getLogger(__name__)


def lower(fn: Callable[..., Any], form: str = "patches") -> Callable[..., Any]:
    """A function with the same values and gradients whose convolutions batch well.

    Args:
        fn: a function of arrays, traceable.
        form: one of `FORMS`; `native` returns `fn` itself.
    """
    if form == "native":
        return fn

    def lowered(*args: Any) -> Any:
        closed, out_shape = jax.make_jaxpr(fn, return_shape=True)(*args)
        outputs = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(out_shape), outputs)

    return lowered


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = {}

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, jax_core.Literal) else values[variable]

    values.update(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        inputs = [read(variable) for variable in eqn.invars]
        values.update(zip(eqn.outvars, _apply(eqn, inputs), strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _apply(eqn: Any, inputs: list[Any]) -> list[Any]:
    name = eqn.primitive.name
    if name == "conv_general_dilated" and (reason := _conv_obstacle(eqn)) is None:
        return [_conv_as_products(eqn, *inputs)]
    if name == "reduce_window_max" and (reason := _pool_obstacle(eqn)) is None:
        return [_pool_as_slices(eqn, *inputs)]
    if name in _NESTED and _holds_target(eqn):
        nested = eqn.params.get("jaxpr") or eqn.params["call_jaxpr"]
        return _evaluate(nested.jaxpr, nested.consts, inputs)
    if name in ("conv_general_dilated", "reduce_window_max"):
        logger.info("%s stays native: %s", name, reason)
    elif _holds_target(eqn):
        logger.info("the convolutions or poolings inside a %s stay native", name)
    with eqn.ctx.manager:
        outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _holds_target(eqn: Any) -> bool:
    """Whether an equation's inner programs contain something that could be rewritten."""
    for param in jax.tree.leaves(
        list(eqn.params.values()), is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")
    ):
        inner = getattr(param, "jaxpr", param)
        for nested in getattr(inner, "eqns", ()):
            if nested.primitive.name in ("conv_general_dilated", "reduce_window_max"):
                return True
            if _holds_target(nested):
                return True
    return False


def _conv_obstacle(eqn: Any) -> str | None:
    """Why a convolution cannot be rewritten, or `None`."""
    params = eqn.params
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return "it is grouped"
    if any(d != 1 for d in params["lhs_dilation"]):
        return "its input is dilated"
    if any(low < 0 or high < 0 for low, high in params["padding"]):
        return "its padding is negative"
    if not params["padding"]:
        return "it has no spatial dimension"
    return None


def _conv_as_products(eqn: Any, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution as a sum of matrix products, one for each shift along all axes but the last.

    The shifts along the last spatial axis are stacked as channels. With few input channels all
    shifts are stacked, and there is one product.
    """
    params = eqn.params
    numbers = params["dimension_numbers"]
    lhs_spec, rhs_spec, out_spec = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    batch_first = (lhs_spec[0], *lhs_spec[2:], lhs_spec[1])
    spatial_first = (*rhs_spec[2:], rhs_spec[1], rhs_spec[0])
    x = jnp.transpose(inputs, batch_first)
    k = jnp.transpose(kernel, spatial_first)
    x = jnp.pad(x, ((0, 0), *params["padding"], (0, 0)))
    *window, channels, features = k.shape
    extents = _output_extents(
        x.shape[1:-1], window, params["window_strides"], params["rhs_dilation"]
    )

    def shifted(array: jax.Array, axis: int, shift: int) -> jax.Array:
        stride = params["window_strides"][axis]
        start = shift * params["rhs_dilation"][axis]
        stop = start + (extents[axis] - 1) * stride + 1
        return lax.slice_in_dim(array, start, stop, stride, axis=axis + 1)

    num_axes = len(window)
    is_small = math.prod(window) * channels <= _SMALL_FAN_IN
    num_looped = 0 if is_small else num_axes - 1
    for axis in range(num_axes - 1, num_looped - 1, -1):
        x = jnp.concatenate([shifted(x, axis, s) for s in range(window[axis])], axis=-1)
    k = k.reshape(*window[:num_looped], math.prod(window[num_looped:]) * channels, features)
    total: jax.Array | None = None
    for shifts in itertools.product(*(range(w) for w in window[:num_looped])):
        part = x
        for axis, shift in enumerate(shifts):
            part = shifted(part, axis, shift)
        product = lax.dot_general(
            part,
            k[shifts],
            (((num_axes + 1,), (0,)), ((), ())),
            precision=params["precision"],
            preferred_element_type=params["preferred_element_type"],
        )
        total = product if total is None else total + product
    assert total is not None
    # `total` is batch, spatial…, features; the output wants out_spec = (batch, feature, spatial…).
    position = {out_spec[0]: 0, out_spec[1]: num_axes + 1}
    position.update({dim: axis + 1 for axis, dim in enumerate(out_spec[2:])})
    return jnp.transpose(total, [position[dim] for dim in range(num_axes + 2)])


def _output_extents(
    padded: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    return [
        max(0, (size - (w - 1) * d - 1) // s + 1)
        for size, w, s, d in zip(padded, window, strides, dilation, strict=True)
    ]


def _pool_obstacle(eqn: Any) -> str | None:
    """Why a max pooling cannot be rewritten, or `None`."""
    params = eqn.params
    if any(d != 1 for d in params["base_dilation"]):
        return "its input is dilated"
    if any(low < 0 or high < 0 for low, high in params["padding"]):
        return "its padding is negative"
    if not jnp.issubdtype(eqn.invars[0].aval.dtype, jnp.floating):
        return "its values are not floating-point"
    return None


def _pool_as_slices(eqn: Any, inputs: jax.Array) -> jax.Array:
    """Max pooling as a running maximum over the strided slices of each window.

    Among equal values the first takes the whole gradient, and NaN stays, as in the native
    operation; `jnp.maximum` would split the gradient.
    """
    params = eqn.params
    window, strides = params["window_dimensions"], params["window_strides"]
    dilation = params["window_dilation"]
    x = inputs
    if any(low or high for low, high in params["padding"]):
        x = jnp.pad(x, params["padding"], constant_values=-jnp.inf)
    extents = _output_extents(x.shape, window, strides, dilation)

    def shifted(shifts: tuple[int, ...]) -> jax.Array:
        starts = [shift * d for shift, d in zip(shifts, dilation, strict=True)]
        stops = [a + (n - 1) * s + 1 for a, n, s in zip(starts, extents, strides, strict=True)]
        return lax.slice(x, starts, stops, strides)

    first, *others = itertools.product(*(range(w) for w in window))
    best = shifted(first)
    for shifts in others:
        part = shifted(shifts)
        best = jnp.where((best >= part) | jnp.isnan(best), best, part)
    return best
