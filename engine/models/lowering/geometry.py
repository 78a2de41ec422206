"""Sizes, strides and paddings of a convolution, of its gradients, and of a pooling."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Sizes = tuple[int, ...]


class Geometry(NamedTuple):
    """How a window moves over the spatial axes.

    Attributes:
        strides: of the window.
        padding: low and high, of each axis; may be negative.
        input_dilation: distance at which the inputs are laid out, 1 for none.
        kernel_dilation: distance at which the window reads, 1 for none.
    """

    strides: Sizes
    padding: tuple[tuple[int, int], ...]
    input_dilation: Sizes
    kernel_dilation: Sizes


def dilated(size: int, dilation: int) -> int:
    """Extent of `size` points that lie `dilation` apart."""
    return (size - 1) * dilation + 1 if size else 0


def output_extents(sizes: Sequence[int], window: Sequence[int], geometry: Geometry) -> Sizes:
    """Spatial sizes of the output, from those of the dilated and padded input."""
    return tuple(
        max(0, (size - dilated(w, d)) // s + 1)
        for size, w, s, d in zip(sizes, window, geometry.strides, geometry.kernel_dilation, strict=True)
    )


def padded(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Inputs `[batch, *spatial, channels]`, dilated and padded with zeros."""
    spatial = [(low, high, d - 1) for (low, high), d in zip(geometry.padding, geometry.input_dilation, strict=True)]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *spatial, (0, 0, 0)))


def conv_extents(inputs: Sizes, window: Sizes, geometry: Geometry) -> Sizes:
    """Spatial sizes of a convolution's output, from those of its input."""
    sizes = [
        low + high + dilated(size, dilation)
        for size, (low, high), dilation in zip(inputs, geometry.padding, geometry.input_dilation, strict=True)
    ]
    return output_extents(sizes, window, geometry)


def input_gradient(geometry: Geometry, inputs: Sizes, window: Sizes, outputs: Sizes) -> Geometry:
    """Of the convolution that takes the output's gradient and the reversed kernel to the input's.

    Args:
        geometry: of the convolution.
        inputs, window, outputs: its spatial sizes.
    """
    padding = []
    for axis, (low, _) in enumerate(geometry.padding):
        span = dilated(window[axis], geometry.kernel_dilation[axis])
        before = span - low - 1
        given = dilated(inputs[axis], geometry.input_dilation[axis])
        padding.append((before, given + low - dilated(outputs[axis], geometry.strides[axis])))
    return Geometry(
        strides=geometry.input_dilation,
        padding=tuple(padding),
        input_dilation=geometry.strides,
        kernel_dilation=geometry.kernel_dilation,
    )


def kernel_gradient(geometry: Geometry, inputs: Sizes, window: Sizes, outputs: Sizes) -> Geometry:
    """Of the convolution of the input with the output's gradient that gives the kernel's.

    Arguments as for `input_gradient`.
    """
    padding = []
    for axis, (low, _) in enumerate(geometry.padding):
        span = dilated(window[axis], geometry.kernel_dilation[axis])
        given = dilated(inputs[axis], geometry.input_dilation[axis])
        moved = dilated(outputs[axis], geometry.strides[axis])
        padding.append((low, moved - given + span - low - 1))
    return Geometry(
        strides=geometry.kernel_dilation,
        padding=tuple(padding),
        input_dilation=geometry.input_dilation,
        kernel_dilation=geometry.strides,
    )


def is_pointwise(window: Sizes, geometry: Geometry) -> bool:
    """Whether the window is one point, so that the convolution is a matrix product."""
    return math.prod(window) == 1 and all(d == 1 for d in geometry.input_dilation)
