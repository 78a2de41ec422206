"""Convolutions in forms that stay fast when every seed has a kernel of its own.

All take inputs `[batch, *spatial, channels]` and kernels `[*window, channels per group, features]`.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .direct import Arithmetic, direct, pointwise
from .geometry import Geometry, conv_extents, output_extents, padded
from .turned import transposed, turned

FORMS: dict[str, str] = {
    "direct": "the library's convolutions, one lane after another",
    "patches": "batched matrix products of shifted slices",
    "native": "as the model has them",
}

# Below this many inputs to one output, a single product over all shifts beats one per row.
_SMALL_FAN_IN = 32


def default_form(platform: str) -> str:
    """Returns the form that is fastest on a kind of device, by measurement."""
    return "direct" if platform == "cpu" else "patches"


def obstacle(eqn: Any) -> str | None:
    """Returns why a `conv_general_dilated` cannot be rewritten, or `None`."""
    if eqn.params["batch_group_count"] != 1:
        return "its batch is grouped"
    if not eqn.params["padding"]:
        return "it has no spatial axis"
    if eqn.outvars[0].aval.size == 0:
        return "its output is empty"
    if not jnp.issubdtype(eqn.invars[0].aval.dtype, jnp.floating):
        return "its values are not floating-point"
    return None


def rewrite(eqn: Any, inputs: Any, kernel: Any, form: str) -> Any:
    """Returns the value of a `conv_general_dilated`, which may be `Turned`, in a form that is chosen for its shapes."""
    params = eqn.params
    numbers = params["dimension_numbers"]
    lhs_spec, rhs_spec, out_spec = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    x = transposed(inputs, (lhs_spec[0], *lhs_spec[2:], lhs_spec[1]))
    k = transposed(kernel, (*rhs_spec[2:], rhs_spec[1], rhs_spec[0]))
    geometry = Geometry(*(params[n] for n in ("window_strides", "padding", "lhs_dilation", "rhs_dilation")))
    arithmetic = Arithmetic(params["precision"], params["preferred_element_type"])
    groups, window_size = params["feature_group_count"], math.prod(k.shape[:-2])
    if groups == 1 and math.prod(x.shape[1:-1]) <= window_size:
        out = dense(x, k, geometry, arithmetic)
    elif form == "direct" and groups == 1 and window_size == 1 and all(d == 1 for d in geometry.input_dilation):
        out = pointwise(x, k, geometry, arithmetic)
    elif form == "direct" and groups == 1:
        out = direct(x, k, geometry, arithmetic)
    else:
        out = products(x, k, geometry, groups, arithmetic)
    # `out` is batch, spatial…, features; `out_spec` is where batch, features and spatial… go.
    return turned(out, np.argsort((out_spec[0], *out_spec[2:], out_spec[1])).tolist())


def products(x: jax.Array, k: jax.Array, geometry: Geometry, groups: int, arithmetic: Arithmetic) -> jax.Array:
    """Convolves as a sum of matrix products, one for each shift along all axes but the last.

    The shifts along the last axis are stacked as channels; with few input channels all shifts are. Groups become a
    batch of products, or products of numbers where every channel is its own group.
    """
    *window, channels, features = k.shape
    x = padded(x, geometry)
    extents = output_extents(x.shape[1:-1], window, geometry)

    def shifted(array: jax.Array, axis: int, shift: int) -> jax.Array:
        stride = geometry.strides[axis]
        start = shift * geometry.kernel_dilation[axis]
        stop = start + (extents[axis] - 1) * stride + 1
        return lax.slice_in_dim(array, start, stop, stride, axis=axis + 1)

    num_axes = len(window)
    is_depthwise = channels == 1 and features == groups > 1
    is_small = math.prod(window) * channels <= _SMALL_FAN_IN and groups == 1
    num_looped = num_axes if is_depthwise else 0 if is_small else num_axes - 1
    x = x.reshape(*x.shape[:-1], groups, channels)
    for axis in range(num_axes - 1, num_looped - 1, -1):
        x = jnp.concatenate([shifted(x, axis, s) for s in range(window[axis])], axis=-1)
    k = k.reshape(*window[:num_looped], -1, groups, features // groups)
    total: jax.Array | None = None
    for shifts in itertools.product(*(range(w) for w in window[:num_looped])):
        part = x
        for axis, shift in enumerate(shifts):
            part = shifted(part, axis, shift)
        product = _product(part, k[shifts], is_depthwise, arithmetic)
        total = product if total is None else total + product
    assert total is not None
    return total


def _product(x: jax.Array, k: jax.Array, is_depthwise: bool, arithmetic: Arithmetic) -> jax.Array:
    """Multiplies `[…, groups, inputs]` and `[inputs, groups, outputs]` to `[…, groups · outputs]`."""
    if is_depthwise:
        return x[..., 0] * k[0, :, 0]
    num_axes = x.ndim - 2
    if k.shape[1] == 1:
        numbers = (((num_axes,), (0,)), ((), ()))
        return lax.dot_general(x[..., 0, :], k[:, 0], numbers, *arithmetic)
    numbers_grouped = (((num_axes + 1,), (0,)), ((num_axes,), (1,)))
    out = jnp.moveaxis(lax.dot_general(x, k, numbers_grouped, *arithmetic), 0, -2)
    return out.reshape(*out.shape[:-2], -1)


def dense(x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic) -> jax.Array:
    """Convolves as one product from every input to every output: in a window as large as the image most shifts pad."""
    *window, channels, features = k.shape
    spatial = x.shape[1:-1]
    places = _taps(spatial, tuple(window), geometry)
    num_outputs = places.shape[1]
    taps = jnp.asarray(places.reshape(-1, places.shape[-1]), k.dtype)
    matrix = lax.dot(taps, k.reshape(-1, channels * features), precision=lax.Precision.HIGHEST)
    matrix = matrix.reshape(-1, num_outputs, channels, features)
    matrix = jnp.swapaxes(matrix, 1, 2).reshape(-1, num_outputs * features)
    flat = x.reshape(x.shape[0], -1)
    out = lax.dot_general(flat, matrix, (((1,), (0,)), ((), ())), *arithmetic)
    extents = conv_extents(spatial, tuple(window), geometry)
    return out.reshape(x.shape[0], *extents, features)


def _taps(spatial: tuple[int, ...], window: tuple[int, ...], geometry: Geometry) -> np.ndarray:
    """Returns 1 where an input reaches an output through a tap of the window, `[num_inputs, num_outputs, num_taps]`."""
    extents = conv_extents(spatial, window, geometry)
    reach = np.ones((1, 1, 1))
    for axis, size in enumerate(spatial):
        low, _ = geometry.padding[axis]
        source = np.arange(size)[:, None, None] * geometry.input_dilation[axis] + low
        first = np.arange(extents[axis])[None, :, None] * geometry.strides[axis]
        tap = np.arange(window[axis])[None, None, :] * geometry.kernel_dilation[axis]
        reach = np.einsum("abc,def->adbecf", reach, source == first + tap)
        reach = reach.reshape([reach.shape[i] * reach.shape[i + 1] for i in range(0, 6, 2)])
    return reach
