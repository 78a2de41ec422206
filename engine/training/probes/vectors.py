"""Lengths of trees of arrays that may hold numbers whose squares vanish or overflow."""

from typing import Any

import jax
import jax.numpy as jnp


def norm(tree: Any) -> jax.Array:
    """Euclidean length of all numbers in a tree together."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(sum(jnp.sum(jnp.square(leaf / scale)) for leaf in leaves))


def inner(a: Any, b: Any) -> jax.Array:
    """Sum over all numbers of two trees of their products."""
    products = jax.tree.map(lambda x, y: jnp.vdot(x, y, precision="highest"), a, b)
    return jnp.sum(jnp.stack(jax.tree.leaves(products)))


def unit(tree: Any) -> Any:
    """The tree over its length; NaN where it has none."""
    length = norm(tree)
    return jax.tree.map(lambda leaf: leaf / length, tree)
