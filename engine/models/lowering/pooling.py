"""Poolings as running maxima and sums over strided slices, one axis after another."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .geometry import Geometry, output_extents

Combine = Callable[[jax.Array, jax.Array], jax.Array]


def obstacle(eqn: Any) -> str | None:
    """Returns why a `reduce_window_max` or `reduce_window_sum` cannot be rewritten, or `None`."""
    if any(d != 1 for d in eqn.params["base_dilation"]):
        return "its input is dilated"
    if any(low < 0 or high < 0 for low, high in eqn.params["padding"]):
        return "its padding is negative"
    if not jnp.issubdtype(eqn.invars[0].aval.dtype, jnp.floating):
        return "its values are not floating-point"
    if eqn.outvars[0].aval.size == 0:
        return "its output is empty"
    return None


def rewrite(eqn: Any, x: jax.Array) -> jax.Array:
    """Returns the value of a `reduce_window_max` or `reduce_window_sum`."""
    params = eqn.params
    is_maximum = eqn.primitive.name == "reduce_window_max"
    geometry = Geometry(*(params[n] for n in ("window_strides", "padding", "base_dilation", "window_dilation")))
    if any(low or high for low, high in geometry.padding):
        neutral = -jnp.inf if is_maximum else 0.0
        x = jnp.pad(x, geometry.padding, constant_values=neutral)
    window = tuple(params["window_dimensions"])
    extents = output_extents(x.shape, window, geometry)
    combine = _first_maximum if is_maximum else jnp.add
    # The last axis first, so that the first of equal values is the first in row-major order.
    for axis in reversed(range(x.ndim)):
        if window[axis] > 1 or geometry.strides[axis] > 1:
            x = _along(x, axis, window[axis], extents[axis], geometry, combine)
    return x


def _along(x: jax.Array, axis: int, window: int, extent: int, geometry: Geometry, combine: Combine) -> jax.Array:
    stride, dilation = geometry.strides[axis], geometry.kernel_dilation[axis]

    def shifted(shift: int) -> jax.Array:
        start = shift * dilation
        return lax.slice_in_dim(x, start, start + (extent - 1) * stride + 1, stride, axis)

    return functools.reduce(combine, map(shifted, range(window)))


def _first_maximum(best: jax.Array, other: jax.Array) -> jax.Array:
    """Returns the larger; as natively, the first of equal values takes the whole gradient, and NaN stays."""
    return jnp.where((best >= other) | jnp.isnan(best), best, other)
