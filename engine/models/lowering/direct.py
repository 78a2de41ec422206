"""The library's own convolutions, lane by lane, with gradients written by hand.

XLA's CPU backend is fast in one layout only; gradients that JAX derives have others, 10 to 100 times slower in a loop.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap

from .blocks import block_sizes, blocked_geometry, from_blocks, place, to_blocks
from .geometry import Geometry, Sizes, conv_extents, input_gradient, kernel_gradient, padded

# The gradient of a kernel is summed over parts of the batch that stay in the cache of a core.
_CACHED_BYTES = 2**18


class Arithmetic(NamedTuple):
    """Number formats of the products, as in `lax.dot_general`."""

    precision: Any
    preferred_element_type: Any


class _Blocked(NamedTuple):
    """A convolution that gives blocks of outputs as features of one: `geometry` of the plain one, `wide` its own."""

    blocks: Sizes
    geometry: Geometry
    wide: Geometry

    def place(self, k: jax.Array) -> jax.Array:
        return place(k, self.blocks, self.geometry)


def direct(x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic, may_block: bool = True) -> jax.Array:
    """Convolves `[batch, *spatial, channels]` with `[*window, channels, features]`, in blocks of outputs if it may."""
    *window, channels, features = k.shape
    inputs, outputs = x.shape[1:-1], conv_extents(x.shape[1:-1], tuple(window), geometry)
    blocks = block_sizes(channels, features, outputs, geometry) if may_block else (1,) * len(window)
    blocked = _Blocked(blocks, geometry, blocked_geometry(blocks, inputs, tuple(window), outputs, geometry))
    plain = arithmetic._replace(preferred_element_type=None)

    def value(x: jax.Array, k: jax.Array) -> jax.Array:
        return from_blocks(_lane_by_lane(x, blocked.place(k), blocked.wide, arithmetic), blocks, outputs)

    def of_input(gradient: jax.Array, k: jax.Array) -> jax.Array:
        turned = jnp.flip(jnp.swapaxes(k, -1, -2), tuple(range(len(window))))
        return direct(gradient, turned, input_gradient(geometry, inputs, tuple(window), outputs), plain)

    def of_kernel(x: jax.Array, gradient: jax.Array) -> jax.Array:
        accumulated = plain._replace(preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
        return _kernel_gradient(x, gradient, k.shape, blocked, accumulated)

    def gradients(x: jax.Array, k: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
        return of_input(gradient, k), _with_gradients(of_kernel, of_kernel_gradients)(x, gradient)

    def of_kernel_gradients(x: jax.Array, gradient: jax.Array, other: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The gradient of the kernel is linear in inputs and output gradient, so its own gradients are the other two
        # convolutions; `other` is like the kernel. JAX would derive them in slow layouts.
        return of_input(gradient, other), direct(x, other, geometry, plain, may_block)

    return _with_gradients(value, gradients)(x, k)


def pointwise(x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic) -> jax.Array:
    """Convolves with a window of one point as one product; JAX's own gradient of the kernel is five times slower."""

    def value(x: jax.Array, k: jax.Array) -> jax.Array:
        return lax.dot(x, k, **arithmetic._asdict())

    def gradients(x: jax.Array, k: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
        precision = arithmetic.precision
        return lax.dot(gradient, k.T, precision=precision), lax.dot(x.T, gradient, precision=precision)

    x = padded(x, geometry)
    x = lax.slice(x, (0,) * x.ndim, x.shape, (1, *geometry.strides, 1))
    product = _with_gradients(value, gradients)
    out = product(x.reshape(-1, x.shape[-1]), k.reshape(k.shape[-2:]))
    return out.reshape(*x.shape[:-1], -1)


def _with_gradients(
    value: Callable[[jax.Array, jax.Array], jax.Array],
    gradients: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns a function of inputs and kernel with given gradients, in the number formats of the two."""
    fn = jax.custom_vjp(value)

    def forward(x: jax.Array, k: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        return fn(x, k), (x, k)

    def backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, k = saved
        x_gradient, k_gradient = gradients(x, k, gradient.astype(x.dtype))
        return x_gradient.astype(x.dtype), k_gradient.astype(k.dtype)

    fn.defvjp(forward, backward)
    return fn


def _kernel_gradient(
    x: jax.Array, gradient: jax.Array, shape: tuple[int, ...], blocked: _Blocked, arithmetic: Arithmetic
) -> jax.Array:
    """Returns the gradient of a kernel of a shape from the output's, in cached parts of the batch."""
    blocks = blocked.blocks
    window = jax.eval_shape(blocked.place, jax.ShapeDtypeStruct(shape, x.dtype)).shape[:-2]
    num_blocks = tuple(-(-n // b) for n, b in zip(gradient.shape[1:-1], blocks, strict=True))
    geometry = kernel_gradient(blocked.wide, x.shape[1:-1], window, num_blocks)

    def of_part(x: jax.Array, gradient: jax.Array) -> jax.Array:
        kernel = jnp.moveaxis(to_blocks(gradient, blocks), 0, -2)
        out = direct(jnp.swapaxes(x, 0, -1), kernel, geometry, arithmetic, may_block=False)
        return jnp.moveaxis(out, 0, -2)

    size = x.shape[0] // _num_parts(x, gradient)

    def part(i: int | jax.Array) -> jax.Array:
        return of_part(*(lax.dynamic_slice_in_dim(a, i * size, size) for a in (x, gradient)))

    total = part(0)
    if size < x.shape[0]:
        add = lambda i, total: total + part(i)  # noqa: E731
        total = lax.fori_loop(1, x.shape[0] // size, add, total)
    return jax.linear_transpose(blocked.place, jax.ShapeDtypeStruct(shape, total.dtype))(total)[0]


def _num_parts(x: jax.Array, gradient: jax.Array) -> int:
    """Returns the smallest number of equal parts of the batch of which one stays in the cache."""
    batch = x.shape[0]
    wanted = max(x.nbytes, gradient.nbytes) / _CACHED_BYTES
    return next((n for n in range(1, batch + 1) if batch % n == 0 and n >= wanted), batch)


def _lane_by_lane(x: jax.Array, k: jax.Array, geometry: Geometry, arithmetic: Arithmetic) -> jax.Array:
    num_axes = len(geometry.strides)
    images = (0, num_axes + 1, *range(1, num_axes + 1))
    kernels = (num_axes + 1, num_axes, *range(num_axes))

    @sequential_vmap
    def conv(x: jax.Array, k: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, k, *geometry, lax.ConvDimensionNumbers(images, kernels, images), **arithmetic._asdict()
        )

    return conv(x, k)
