"""Normalisation layers: `(x - shift) * scale + offset` as one operation, whose gradient needs two sums and no array.

The difference of the sums loses digits as the variance does as a difference of two means, so this is for float32.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..jaxpr import is_variable


class Chain(NamedTuple):
    """Variables of a program that form the operation."""

    x: Any
    shift: Any
    scale: Any
    offset: Any


def find(jaxpr: Any) -> tuple[dict[Any, Chain], set[Any]]:
    """Finds chains whose steps nothing else reads: by the variable that each ends in, and the variables in between."""
    read = itertools.chain(jaxpr.outvars, *(eqn.invars for eqn in jaxpr.eqns))
    reads = Counter(filter(is_variable, read))
    made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}

    def orders(eqn: Any, name: str, step: str) -> Iterator[tuple[Any, Any]]:
        """Yields the operands of an equation of a name, in every order whose first is such a step."""
        if eqn.primitive.name == name:
            for first, second in (eqn.invars, eqn.invars[::-1]):
                is_made = is_variable(first) and first in made_by and reads[first] == 1
                if is_made and made_by[first].primitive.name == step:
                    yield first, second

    chains: dict[Any, Chain] = {}
    inside: set[Any] = set()
    for eqn in jaxpr.eqns:
        for product, offset in orders(eqn, "add", "mul"):
            for difference, scale in orders(made_by[product], "mul", "sub"):
                x, shift = made_by[difference].invars
                chain = Chain(x, shift, scale, offset)
                if eqn.outvars[0] not in chains and _are_shared(*chain):
                    chains[eqn.outvars[0]] = chain
                    inside |= {product, difference}
    return chains, inside


def _are_shared(x: Any, shift: Any, scale: Any, offset: Any) -> bool:
    """Tells whether shift and scale vary over the same axes, and the offset over none but those."""
    shape = x.aval.shape
    return (
        all(map(is_variable, (x, shift, scale, offset)))
        and all(atom.aval.dtype == jnp.float32 for atom in (x, shift, scale, offset))
        and shift.aval.shape == scale.aval.shape
        and len(shape) == len(scale.aval.shape) == len(offset.aval.shape)
        and math.prod(scale.aval.shape) < math.prod(shape)
        and all(n in (1, whole) for n, whole in zip(scale.aval.shape, shape, strict=True))
        and all(n in (1, whole) for n, whole in zip(offset.aval.shape, scale.aval.shape, strict=True))
    )


@jax.custom_vjp
def affine(x: jax.Array, shift: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
    """Returns `(x - shift) * scale + offset`; the last three have extent 1 where they are shared."""
    return (x - shift) * scale + offset


def _backward(saved: tuple[jax.Array, ...], gradient: jax.Array) -> tuple[jax.Array, ...]:
    x, shift, scale, offset = saved
    total = _summed(gradient, scale.shape)
    weighted = _summed(gradient * x, scale.shape)
    return (gradient * scale, -scale * total, weighted - shift * total, _summed(total, offset.shape))


affine.defvjp(lambda *args: (affine(*args), args), _backward)


def _summed(a: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    axes = tuple(i for i, (n, m) in enumerate(zip(a.shape, shape, strict=True)) if n != m)
    return jnp.sum(a, axes, keepdims=True) if axes else a
