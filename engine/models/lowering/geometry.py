"""Sizes, strides and paddings of a convolution, of its gradients, and of a pooling."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Sizes = tuple[int, ...]


class Geometry(NamedTuple):
    """How a window moves; padding may be negative, dilations are distances between points, 1 for none."""

    strides: Sizes
    padding: tuple[tuple[int, int], ...]
    input_dilation: Sizes
    kernel_dilation: Sizes


def dilated(size: int, dilation: int) -> int:
    """Returns the extent of `size` points that lie `dilation` apart."""
    return (size - 1) * dilation + 1 if size else 0


def output_extents(sizes: Sequence[int], window: Sequence[int], geometry: Geometry) -> Sizes:
    """Returns the spatial sizes of the output from those of the dilated and padded input."""
    return tuple(
        max(0, (size - dilated(w, d)) // s + 1)
        for size, w, s, d in zip(sizes, window, geometry.strides, geometry.kernel_dilation, strict=True)
    )


def padded(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Returns inputs `[batch, *spatial, channels]`, dilated and padded with zeros."""
    spatial = [(low, high, d - 1) for (low, high), d in zip(geometry.padding, geometry.input_dilation, strict=True)]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *spatial, (0, 0, 0)))


def conv_extents(inputs: Sizes, window: Sizes, geometry: Geometry) -> Sizes:
    """Returns the spatial sizes of a convolution's output from those of its input."""
    sizes = [
        low + high + dilated(size, dilation)
        for size, (low, high), dilation in zip(inputs, geometry.padding, geometry.input_dilation, strict=True)
    ]
    return output_extents(sizes, window, geometry)


def input_gradient(geometry: Geometry, inputs: Sizes, window: Sizes, outputs: Sizes) -> Geometry:
    """Returns the geometry of the convolution of output gradient and reversed kernel that gives the input gradient."""
    extents = _extents(geometry, inputs, window, outputs)
    padding = tuple((span - low - 1, given + low - moved) for (low, _), span, given, moved in extents)
    return Geometry(geometry.input_dilation, padding, geometry.strides, geometry.kernel_dilation)


def kernel_gradient(geometry: Geometry, inputs: Sizes, window: Sizes, outputs: Sizes) -> Geometry:
    """Returns the geometry of the convolution of input and output gradient that gives the kernel gradient."""
    extents = _extents(geometry, inputs, window, outputs)
    padding = tuple((low, moved - given + span - low - 1) for (low, _), span, given, moved in extents)
    return Geometry(geometry.kernel_dilation, padding, geometry.input_dilation, geometry.strides)


def _extents(
    geometry: Geometry, inputs: Sizes, window: Sizes, outputs: Sizes
) -> Iterator[tuple[tuple[int, int], int, int, int]]:
    sizes = ((window, geometry.kernel_dilation), (inputs, geometry.input_dilation), (outputs, geometry.strides))
    return zip(geometry.padding, *(map(dilated, *pair) for pair in sizes), strict=True)
