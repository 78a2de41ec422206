"""Convolutions in forms that stay fast when every seed has a kernel of its own.

- `products`: matrix products of shifted slices, which turn into batched products.
- `direct`: the library's own convolution, one lane after another, with its gradients written as
  convolutions in the one layout that XLA's CPU backend is fast in.
- `dense`: one matrix from all inputs to all outputs, where an image is no larger than the window.

All take inputs `[batch, *spatial, channels]` and kernels `[*window, channels per group, features]`.
"""

import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import sequential_vmap

from engine.lowering.geometry import (
    Geometry,
    dilated,
    input_gradient,
    is_pointwise,
    kernel_gradient,
    output_extents,
)

FORMS: dict[str, str] = {
    "direct": "the library's convolutions, one lane after another",
    "patches": "batched matrix products of shifted slices",
    "native": "as the model has them",
}

# Below this many inputs to one output, a single product over all shifts beats one per row, and
# beats the library's convolution.
_SMALL_FAN_IN = 32

# The gradient of a kernel is summed over parts of the batch that stay in a core's cache.
_CACHED_BYTES = 2**19


class Arithmetic(NamedTuple):
    """Number formats of the products: as in `lax.dot_general`."""

    precision: Any
    preferred_element_type: Any


def default_form(platform: str) -> str:
    """The form for a kind of device, by the measurements in BUILD_NOTES.md."""
    return "direct" if platform == "cpu" else "patches"


def obstacle(eqn: Any) -> str | None:
    """Why a `conv_general_dilated` cannot be rewritten, or `None`."""
    if eqn.params["batch_group_count"] != 1:
        return "its batch is grouped"
    if not eqn.params["padding"]:
        return "it has no spatial axis"
    if eqn.outvars[0].aval.size == 0:
        return "its output is empty"
    if not jnp.issubdtype(eqn.invars[0].aval.dtype, jnp.floating):
        return "its values are not floating-point"
    return None


def rewrite(eqn: Any, inputs: jax.Array, kernel: jax.Array, form: str) -> jax.Array:
    """The value of a `conv_general_dilated`, in a form that is chosen for its shapes."""
    params = eqn.params
    numbers = params["dimension_numbers"]
    lhs_spec, rhs_spec, out_spec = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    x = jnp.transpose(inputs, (lhs_spec[0], *lhs_spec[2:], lhs_spec[1]))
    k = jnp.transpose(kernel, (*rhs_spec[2:], rhs_spec[1], rhs_spec[0]))
    geometry = Geometry(
        tuple(params["window_strides"]),
        tuple((low, high) for low, high in params["padding"]),
        tuple(params["lhs_dilation"]),
        tuple(params["rhs_dilation"]),
    )
    arithmetic = Arithmetic(params["precision"], params["preferred_element_type"])
    groups = params["feature_group_count"]
    if groups == 1 and math.prod(x.shape[1:-1]) <= math.prod(k.shape[:-2]):
        out = dense(x, k, geometry, arithmetic)
    elif form == "direct" and groups == 1 and not is_pointwise(k.shape[:-2], geometry):
        out = direct(x, k, geometry, arithmetic)
    else:
        out = products(x, k, geometry, groups, arithmetic)
    # `out` is batch, spatial…, features; the output wants out_spec = (batch, feature, spatial…).
    position = {out_spec[0]: 0, out_spec[1]: out.ndim - 1}
    position.update({dim: axis + 1 for axis, dim in enumerate(out_spec[2:])})
    return jnp.transpose(out, [position[dim] for dim in range(out.ndim)])


def _padded(x: jax.Array, geometry: Geometry) -> jax.Array:
    spatial = [
        (low, high, d - 1)
        for (low, high), d in zip(geometry.padding, geometry.input_dilation, strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *spatial, (0, 0, 0)))


def products(
    x: jax.Array, k: jax.Array, geometry: Geometry, groups: int, arithmetic: Arithmetic
) -> jax.Array:
    """A sum of matrix products, one for each shift along all axes but the last.

    The shifts along the last spatial axis are stacked as channels. With few input channels all
    shifts are stacked, and there is one product. Groups become a batch of products; where every
    channel is its own group they become products of numbers.
    """
    *window, channels, features = k.shape
    x = _padded(x, geometry)
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
    """`[…, groups, inputs]` and `[inputs, groups, outputs]` to `[…, groups · outputs]`."""
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
    """One product with the matrix from every input point to every output point.

    Where the window covers the image most shifts would multiply padding.
    """
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
    extents = _extents(spatial, tuple(window), geometry)
    return out.reshape(x.shape[0], *extents, features)


def _extents(
    spatial: tuple[int, ...], window: tuple[int, ...], geometry: Geometry
) -> tuple[int, ...]:
    padded = [
        low + high + dilated(size, dilation)
        for size, (low, high), dilation in zip(
            spatial, geometry.padding, geometry.input_dilation, strict=True
        )
    ]
    return output_extents(padded, window, geometry)


def _taps(spatial: tuple[int, ...], window: tuple[int, ...], geometry: Geometry) -> np.ndarray:
    """Whether an input point reaches an output point through a tap of the window.

    Returns:
        Zeros and ones, shape `[num_inputs, num_outputs, num_taps]`.
    """
    extents = _extents(spatial, window, geometry)
    reach = np.ones((1, 1, 1))
    for axis, size in enumerate(spatial):
        low, _ = geometry.padding[axis]
        source = np.arange(size)[:, None, None] * geometry.input_dilation[axis] + low
        first = np.arange(extents[axis])[None, :, None] * geometry.strides[axis]
        tap = np.arange(window[axis])[None, None, :] * geometry.kernel_dilation[axis]
        reach = np.einsum("abc,def->adbecf", reach, source == first + tap)
        reach = reach.reshape([reach.shape[i] * reach.shape[i + 1] for i in range(0, 6, 2)])
    return reach


def direct(x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic) -> jax.Array:
    """The library's convolution, lane by lane, with gradients in the same form.

    XLA's CPU backend has a fast kernel for one layout only. The gradients that JAX derives have
    others, which are 10 to 100 times slower inside a loop; the same gradients with their axes
    moved by hand reach the speed of a matrix product.
    """

    @jax.custom_vjp
    def conv(x: jax.Array, k: jax.Array) -> jax.Array:
        *window, channels, _ = k.shape
        if math.prod(window) * channels <= _SMALL_FAN_IN:
            return products(x, k, geometry, 1, arithmetic)
        return _lane_by_lane(x, k, geometry, arithmetic)

    def forward(x: jax.Array, k: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        return conv(x, k), (x, k)

    def backward(
        saved: tuple[jax.Array, jax.Array], gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        x, k = saved
        sizes = (x.shape[1:-1], k.shape[:-2], gradient.shape[1:-1])
        axes = tuple(range(len(sizes[0])))
        gradient = gradient.astype(x.dtype)
        turned = jnp.flip(jnp.swapaxes(k, -1, -2), axes)
        plain = arithmetic._replace(preferred_element_type=None)
        x_gradient = direct(gradient, turned, input_gradient(geometry, *sizes), plain)
        k_gradient = _kernel_gradient(x, gradient, kernel_gradient(geometry, *sizes), plain)
        return x_gradient.astype(x.dtype), k_gradient.astype(k.dtype)

    conv.defvjp(forward, backward)
    return conv(x, k)


def _kernel_gradient(
    x: jax.Array, gradient: jax.Array, geometry: Geometry, arithmetic: Arithmetic
) -> jax.Array:
    """The gradient of a kernel `[*window, channels, features]`, in cached parts of the batch."""

    def of_part(x: jax.Array, gradient: jax.Array) -> jax.Array:
        out = direct(
            jnp.swapaxes(x, 0, -1),
            jnp.moveaxis(gradient, 0, -2),
            geometry,
            arithmetic,
        )
        return jnp.moveaxis(out, 0, -2)

    num_parts = _num_parts(x, gradient)
    if num_parts == 1:
        return of_part(x, gradient)
    parts = [a.reshape(num_parts, -1, *a.shape[1:]) for a in (x, gradient)]
    zero = jnp.zeros(jax.eval_shape(of_part, *(a[0] for a in parts)).shape, x.dtype)
    add = lambda total, part: (total + of_part(*part), None)  # noqa: E731
    return lax.scan(add, zero, tuple(parts))[0]


def _num_parts(x: jax.Array, gradient: jax.Array) -> int:
    """The smallest number of equal parts of the batch of which one stays in the cache."""
    batch = x.shape[0]
    wanted = max(x.nbytes, gradient.nbytes) / _CACHED_BYTES
    return next((n for n in range(1, batch + 1) if batch % n == 0 and n >= wanted), batch)


def _lane_by_lane(
    x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic
) -> jax.Array:
    num_axes = len(geometry.strides)
    images = (0, num_axes + 1, *range(1, num_axes + 1))
    kernels = (num_axes + 1, num_axes, *range(num_axes))

    @sequential_vmap
    def conv(x: jax.Array, k: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            k,
            geometry.strides,
            geometry.padding,
            geometry.input_dilation,
            geometry.kernel_dilation,
            lax.ConvDimensionNumbers(images, kernels, images),
            precision=arithmetic.precision,
            preferred_element_type=arithmetic.preferred_element_type,
        )

    return conv(x, k)
