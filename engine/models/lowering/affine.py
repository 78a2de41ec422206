"""Normalisation layers: `(x - shift) * scale + offset` as one operation, whose gradient needs two sums and no array.

The difference of the sums loses digits as the variance does as a difference of two means, so this is for float32.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..jaxpr import is_variable

# A normalisation divides by a deviation, and multiplies by a weight.
_MOST_FACTORS = 3


class Factor(NamedTuple):
    """A variable by which a chain multiplies, or divides."""

    variable: Any
    is_divisor: bool


class Chain(NamedTuple):
    """Variables of a program that form the operation; its scale is what the factors come to."""

    x: Any
    shift: Any
    factors: tuple[Factor, ...]
    offset: Any


class _Product(NamedTuple):
    """A difference times its factors, and the variables on the way to it."""

    x: Any
    shift: Any
    factors: tuple[Factor, ...]
    inside: frozenset[Any]


def find(jaxpr: Any) -> tuple[dict[Any, Chain], set[Any]]:
    """Finds chains whose steps nothing else reads: by the variable that each ends in, and the variables in between."""
    read = itertools.chain(jaxpr.outvars, *(eqn.invars for eqn in jaxpr.eqns))
    reads = Counter(filter(is_variable, read))
    made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}

    def products(variable: Any, most: int = _MOST_FACTORS) -> Iterator[_Product]:
        """Yields the differences of which a variable that is read once is a multiple."""
        if not is_variable(variable) or variable not in made_by or reads[variable] != 1:
            return
        eqn = made_by[variable]
        name, operands = eqn.primitive.name, eqn.invars
        if name == "sub":
            yield _Product(operands[0], operands[1], (), frozenset({variable}))
        elif name in ("mul", "div") and most:
            for first, second in (operands, operands[::-1])[: 2 if name == "mul" else 1]:
                for found in products(first, most - 1):
                    factors = (*found.factors, Factor(second, name == "div"))
                    yield found._replace(factors=factors, inside=found.inside | {variable})

    chains: dict[Any, Chain] = {}
    inside: set[Any] = set()
    for eqn in jaxpr.eqns:
        if eqn.primitive.name != "add":
            continue
        for first, offset in (eqn.invars, eqn.invars[::-1]):
            for found in products(first):
                chain = Chain(found.x, found.shift, found.factors, offset)
                if eqn.outvars[0] not in chains and found.factors and _are_shared(chain):
                    chains[eqn.outvars[0]] = chain
                    inside |= found.inside
    return chains, inside


def _are_shared(chain: Chain) -> bool:
    """Tells whether shift and scale vary over the same axes, and the offset over none but those."""
    x, shift, factors, offset = chain
    variables = (x, shift, *(factor.variable for factor in factors), offset)
    if not all(map(is_variable, variables)) or any(one.aval.dtype != jnp.float32 for one in variables):
        return False
    shape, own = x.aval.shape, [one.aval.shape for one in variables]
    if any(len(one) != len(shape) for one in own):
        return False
    scale = tuple(map(max, *(factor.variable.aval.shape for factor in factors), (1,) * len(shape)))
    return (
        shift.aval.shape == scale
        and math.prod(scale) < math.prod(shape)
        and all(n in (1, whole) for n, whole in zip(scale, shape, strict=True))
        and all(n in (1, whole) for n, whole in zip(offset.aval.shape, scale, strict=True))
    )


def scale_of(factors: Sequence[Factor], values: Sequence[jax.Array]) -> jax.Array:
    """Returns what the values of factors come to."""
    pairs = list(zip(factors, values, strict=True))
    scale = 1.0 / pairs[0][1] if pairs[0][0].is_divisor else pairs[0][1]
    for factor, value in pairs[1:]:
        scale = scale / value if factor.is_divisor else scale * value
    return scale


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
