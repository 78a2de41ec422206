"""Several inputs of an example, laid end to end in one array, which the network gets apart again.

Everything between the data and the network sees one array of single precision; whole numbers up to 2²⁴ are exact in it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError

# Of the arrays of a task: what the inputs are made of, as the bytes of a text.
PARTS = "input_parts"
_LARGEST_WHOLE = 2**24


class Part(NamedTuple):
    """One input of an example: its name, its shape, and whether it is whole numbers."""

    name: str
    shape: tuple[int, ...]
    is_whole: bool


class PackedShape(tuple[int, ...]):
    """Shape of an example that is several inputs, laid end to end in one array; `parts` in their order.

    `is_half` tells that numbers which are not whole reach the network in half precision.
    """

    parts: tuple[Part, ...]
    is_half: bool

    def __new__(cls, parts: Sequence[Part], is_half: bool = False) -> "PackedShape":
        """Makes the shape of an array that has room for all parts."""
        made = super().__new__(cls, (sum(map(_size, parts)),))
        made.parts, made.is_half = tuple(parts), is_half
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.parts, self.is_half


def _size(part: Part) -> int:
    return int(np.prod(part.shape))


def pack(inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, PackedShape]:
    """Lays inputs by name, `[num, …]` each, end to end; raises InputError for whole numbers that are too large."""
    parts = []
    for name, array in inputs.items():
        is_whole = array.dtype.kind in "iu"
        if is_whole and array.size and np.abs(array).max() > _LARGEST_WHOLE:
            raise InputError(f"inputs {name!r} have a whole number above {_LARGEST_WHOLE:,}, which is not kept exactly")
        parts.append(Part(name, array.shape[1:], is_whole))
    flat = [np.asarray(array, np.float32).reshape(len(array), -1) for array in inputs.values()]
    return np.concatenate(flat, axis=1), PackedShape(parts)


def to_array(shape: PackedShape) -> np.ndarray:
    """Returns what the inputs are made of as an array, to be kept beside them."""
    return np.frombuffer(json.dumps(shape.parts).encode(), np.uint8)


def shape_of(data: Mapping[str, Any]) -> tuple[int, ...]:
    """Returns the shape of an example of a task's arrays."""
    if PARTS not in data:
        return tuple(data["inputs"].shape[1:])
    found = json.loads(np.asarray(data[PARTS]).tobytes())
    return PackedShape([Part(name, tuple(shape), is_whole) for name, shape, is_whole in found])


def apart(shape: tuple[int, ...], inputs: Any) -> Any:
    """Takes inputs `[…, size]` apart, to a dictionary of arrays `[…, *shape]`; returns others as they are."""
    if not isinstance(shape, PackedShape):
        return inputs
    found, first, inputs = {}, 0, jnp.asarray(inputs)
    for part in shape.parts:
        values = inputs[..., first : first + _size(part)].reshape(*inputs.shape[:-1], *part.shape)
        numbers = values.astype(jnp.bfloat16) if shape.is_half else values
        found[part.name] = jnp.rint(values).astype(jnp.int32) if part.is_whole else numbers
        first += _size(part)
    return found


def as_arguments(
    shape: tuple[int, ...], inputs: jax.Array, names: Sequence[str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns what a network is called with, positional and by name, given the names of what it takes.

    Several inputs come by their names where it takes them all by these, else as one dictionary.
    """
    found = apart(shape, inputs)
    if isinstance(shape, PackedShape) and all(part.name in names for part in shape.parts):
        return (), found
    return (found,), {}
