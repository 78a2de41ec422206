"""Normalisation layers: `(x - shift) * scale + offset` as one operation.

JAX derives a gradient for each of the three steps, and each writes an array of the inputs' size.
The gradient of the whole needs the sums of `gradient` and `gradient * x`, and no such array. Their
difference loses digits like the variance as a difference of two means does, so this is for float32.
"""

import math
from collections import Counter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core as jax_core


class Chain(NamedTuple):
    """Variables of a program that form the operation."""

    x: Any
    shift: Any
    scale: Any
    offset: Any


def find(jaxpr: Any) -> tuple[dict[Any, Chain], set[Any]]:
    """Chains of a difference, a product and a sum whose steps nothing else reads.

    Returns:
        The chain of each variable that one ends in, and the variables in between.
    """
    reads = Counter(v for eqn in jaxpr.eqns for v in eqn.invars if _is_variable(v))
    reads.update(v for v in jaxpr.outvars if _is_variable(v))
    made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
    chains: dict[Any, Chain] = {}
    inside: set[Any] = set()
    for eqn in jaxpr.eqns:
        if eqn.primitive.name != "add":
            continue
        for product, offset in _both_orders(eqn.invars):
            found = _ending_in(product, offset, made_by, reads)
            if found is not None:
                chain, steps = found
                chains[eqn.outvars[0]] = chain
                inside.update(steps)
                break
    return chains, inside


def _ending_in(
    product: Any, offset: Any, made_by: dict[Any, Any], reads: Counter[Any]
) -> tuple[Chain, tuple[Any, Any]] | None:
    if not _is_step(product, "mul", made_by, reads):
        return None
    for difference, scale in _both_orders(made_by[product].invars):
        if _is_step(difference, "sub", made_by, reads):
            x, shift = made_by[difference].invars
            if _are_shared(x, shift, scale, offset):
                return Chain(x, shift, scale, offset), (product, difference)
    return None


def _is_variable(atom: Any) -> bool:
    return not isinstance(atom, jax_core.Literal)


def _both_orders(atoms: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    first, second = atoms
    return (first, second), (second, first)


def _is_step(atom: Any, name: str, made_by: dict[Any, Any], reads: Counter[Any]) -> bool:
    return _is_variable(atom) and atom in made_by and made_by[atom].primitive.name == name and reads[atom] == 1


def _are_shared(x: Any, shift: Any, scale: Any, offset: Any) -> bool:
    """Whether shift and scale vary over the same axes, and the offset over none but those."""
    shape = x.aval.shape
    return (
        all(map(_is_variable, (x, shift, scale, offset)))
        and all(atom.aval.dtype == jnp.float32 for atom in (x, shift, scale, offset))
        and shift.aval.shape == scale.aval.shape
        and len(shape) == len(scale.aval.shape) == len(offset.aval.shape)
        and math.prod(scale.aval.shape) < math.prod(shape)
        and all(n in (1, whole) for n, whole in zip(scale.aval.shape, shape, strict=True))
        and all(n in (1, whole) for n, whole in zip(offset.aval.shape, scale.aval.shape, strict=True))
    )


@jax.custom_vjp
def affine(x: jax.Array, shift: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
    """`(x - shift) * scale + offset`; the last three have extent 1 where they are shared."""
    return (x - shift) * scale + offset


def _forward(
    x: jax.Array, shift: jax.Array, scale: jax.Array, offset: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    return affine(x, shift, scale, offset), (x, shift, scale, offset)


def _backward(saved: tuple[jax.Array, ...], gradient: jax.Array) -> tuple[jax.Array, ...]:
    x, shift, scale, offset = saved
    total = _summed(gradient, scale.shape)
    weighted = _summed(gradient * x, scale.shape)
    return (gradient * scale, -scale * total, weighted - shift * total, _summed(total, offset.shape))


affine.defvjp(_forward, _backward)


def _summed(a: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Sums over the axes that have extent 1 in a shape."""
    axes = tuple(i for i, (n, m) in enumerate(zip(a.shape, shape, strict=True)) if n != m)
    return jnp.sum(a, axes, keepdims=True) if axes else a
