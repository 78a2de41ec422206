"""Lengths and products of trees of arrays, safe for numbers whose squares vanish or overflow."""

from typing import Any

import jax
import jax.numpy as jnp


def norm(tree: Any) -> jax.Array:
    """Returns the Euclidean length of all numbers in a tree together."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(sum(jnp.sum(jnp.square(leaf / scale)) for leaf in leaves))


def inner(a: Any, b: Any) -> jax.Array:
    """Returns the inner product of two trees."""
    products = jax.tree.map(lambda x, y: jnp.vdot(x, y, precision="highest"), a, b)
    return jnp.sum(jnp.stack(jax.tree.leaves(products)))


def unit(tree: Any) -> Any:
    """Returns the tree divided by its length; NaN where that is 0."""
    length = norm(tree)
    return jax.tree.map(lambda leaf: leaf / length, tree)
