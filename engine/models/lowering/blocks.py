"""Convolutions that give a block of neighbouring outputs as the features of one.

A convolution with few features is slow because it uses little of every register, and one with a dilated input because
it multiplies zeros. Both equal a convolution with a wider window that gives `B` neighbouring outputs at once: output
`B j + r` is group `r` of block `j`'s features.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from .geometry import Geometry, Sizes

# XLA's CPU backend has a slower kernel where neither channels nor features exceed this.
_FEW_CHANNELS = 16
# Features to aim at in that case; an odd number of channels needs more for its fast kernel.
_ENOUGH_FEATURES = 32
_ENOUGH_FEATURES_ODD = 64
_LARGEST_BLOCK = 8


def block_sizes(channels: int, features: int, outputs: Sizes, geometry: Geometry) -> Sizes:
    """Returns how many outputs along each axis of a convolution to compute as features of one, by measured rules."""
    axes = zip(geometry.strides, geometry.input_dilation, geometry.kernel_dilation, strict=True)
    blocks = [dilation if stride == kernel_dilation == 1 else 1 for stride, dilation, kernel_dilation in axes]
    is_divisible = blocks[-1] == geometry.input_dilation[-1] and geometry.kernel_dilation[-1] == 1
    enough = _ENOUGH_FEATURES if channels % 2 == 0 else _ENOUGH_FEATURES_ODD
    factor = 1
    while (
        is_divisible
        and channels <= _FEW_CHANNELS
        and features * math.prod(blocks) * factor < enough
        and factor < _LARGEST_BLOCK
        and outputs[-1] % (2 * factor * blocks[-1]) == 0
    ):
        factor *= 2
    blocks[-1] *= factor
    return tuple(blocks)


def blocked_geometry(blocks: Sizes, inputs: Sizes, window: Sizes, outputs: Sizes, geometry: Geometry) -> Geometry:
    """Returns the geometry of the convolution in blocks, from the spatial sizes of the plain one."""
    strides, padding = list(geometry.strides), list(geometry.padding)
    input_dilation = list(geometry.input_dilation)
    for axis, block in enumerate(blocks):
        if block == 1:
            continue
        first, length = _reach(axis, block, window, geometry)
        strides[axis] = strides[axis] * block // input_dilation[axis]
        input_dilation[axis] = 1
        num_blocks = -(-outputs[axis] // block)
        high = strides[axis] * (num_blocks - 1) + length + first - inputs[axis]
        padding[axis] = (-first, high)
    return Geometry(tuple(strides), tuple(padding), tuple(input_dilation), geometry.kernel_dilation)


def _reach(axis: int, block: int, window: Sizes, geometry: Geometry) -> tuple[int, int]:
    """Returns where a block's window begins, counted from the block's first input, and its length, in inputs."""
    low, dilation = geometry.padding[axis][0], geometry.input_dilation[axis]
    first = -(low // dilation)
    last = (geometry.strides[axis] * (block - 1) + window[axis] - 1 - low) // dilation
    return first, last - first + 1


def place(k: jax.Array, blocks: Sizes, geometry: Geometry) -> jax.Array:
    """Returns the kernel `[*window, channels, (*blocks, features)]` of the convolution that gives blocks."""
    window = k.shape[:-2]
    for axis in reversed(range(len(blocks))):
        block = blocks[axis]
        if block == 1:
            continue
        dilation = geometry.input_dilation[axis]
        first, length = _reach(axis, block, window, geometry)
        span = dilation * (length - 1) + 1
        pieces = []
        for position in range(block):
            start = dilation * first + geometry.padding[axis][0] - geometry.strides[axis] * position
            pads = [(0, 0, 0)] * k.ndim
            pads[axis] = (-start, start + span - window[axis], 0)
            piece = lax.pad(k, jnp.zeros((), k.dtype), pads)
            pieces.append(lax.slice_in_dim(piece, 0, span, dilation, axis))
        k = jnp.concatenate(pieces, axis=-1)
    return k


def from_blocks(y: jax.Array, blocks: Sizes, outputs: Sizes) -> jax.Array:
    """Turns `[batch, *num_blocks, (*blocks, features)]` into `[batch, *outputs, features]`."""
    num_axes = len(blocks)
    y = y.reshape(*y.shape[:-1], *blocks, -1)
    order = [i for axis in range(num_axes) for i in (axis + 1, axis + 1 + num_axes)]
    y = jnp.transpose(y, (0, *order, y.ndim - 1))
    whole = [y.shape[2 * axis + 1] * block for axis, block in enumerate(blocks)]
    y = y.reshape(y.shape[0], *whole, -1)
    return lax.slice(y, (0,) * y.ndim, (y.shape[0], *outputs, y.shape[-1]))


def to_blocks(y: jax.Array, blocks: Sizes) -> jax.Array:
    """Reverses `from_blocks`; surplus outputs of a last block are zero."""
    num_axes = len(blocks)
    missing = [-size % block for size, block in zip(y.shape[1:-1], blocks, strict=True)]
    y = jnp.pad(y, ((0, 0), *((0, size) for size in missing), (0, 0)))
    split = [n for size, b in zip(y.shape[1:-1], blocks, strict=True) for n in (size // b, b)]
    y = y.reshape(y.shape[0], *split, y.shape[-1])
    counts, inside = range(1, 2 * num_axes, 2), range(2, 2 * num_axes + 1, 2)
    y = jnp.transpose(y, (0, *counts, *inside, y.ndim - 1))
    return y.reshape(*y.shape[: num_axes + 1], -1)
