"""Measures how the loss is curved along the way a run goes, and across it.

Definition: with the Hessian H of the first evaluation batch's loss (dropout off, normalised by the batch) and the next
update u,

    curvature_along  = uᵀHu / uᵀu,
    curvature_top    = the largest,
    curvature_bottom = the smallest Ritz value of PHP, P = 1 − uuᵀ/uᵀu, the directions across.

The Ritz values are of a Krylov space (of two dimensions by default) that begins with the sum of the two extreme Ritz
vectors of the last measurement. The top is never above the largest eigenvalue of PHP, nor the bottom below the
smallest; both approach them from one measurement to the next, as long as the landscape changes slowly. A bottom well
below 0 is a saddle: there is a way down that the update does not take.

Source: Lanczos' method with restarts (Parlett 1998, The Symmetric Eigenvalue Problem, chapter 13).

Cost: one step, which is shared, and on one evaluation batch one gradient and, with d dimensions, d + 1 products of the
Hessian with a vector, reverse over reverse: about 3 + 6 (d + 1) forward passes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from ...arms.options import Option
from ..trainer import TrainState
from .diagnostic import WHOLE, Diagnostic, Panel, Snapshot, Subject, Values
from .vectors import norm, unit

ALONG, TOP, BOTTOM = "curvature_along", "curvature_top", "curvature_bottom"

DIMENSIONS = "curvature_dimensions"
OPTIONS = (
    Option(
        DIMENSIONS,
        int,
        2,
        "dimensions of the Krylov space: with more, the first measurements are nearer to the extremes, and cost more",
        minimum=2,
        maximum=32,
    ),
)
# A new direction that is shorter than this share of what was subtracted from it would not be at a right angle.
_LEAST = 1e-3

Product = Callable[[jax.Array], jax.Array]


def _obstacle(subject: Subject) -> str | None:
    return None if subject.num_params > 1 else "there is no direction across the update with one parameter"


def _start(subject: Subject, state: TrainState) -> jax.Array:
    # Any direction does, the same for all runs, unless it is at a right angle to all that is looked for.
    key = jax.random.key(0, impl="threefry2x32")
    return unit(jax.random.normal(key, (subject.num_params,), jnp.float32))


def hessian_product(loss: Callable[[Any], jax.Array], params: Any) -> Product:
    """Returns the Hessian times a flat vector, reverse over reverse: rewritten convolutions have no forward mode."""
    flat, unflat = ravel_pytree(params)
    _, product = jax.vjp(jax.grad(lambda flat: loss(unflat(flat))), flat)
    return lambda vector: product(vector)[0]


class Curvature(NamedTuple):
    """The curvature along a direction, the extreme Ritz values across it, and the vector to begin with next time."""

    along: jax.Array
    top: jax.Array
    bottom: jax.Array
    ahead: jax.Array


def curvature(product: Product, direction: jax.Array, start: jax.Array, dimensions: int) -> Curvature:
    """Returns the curvature along a direction of length 1, and the extremes across it, from a Krylov space."""
    # One loop, so that the product is compiled once. Its first vector is the direction itself; all others are at
    # right angles to it, and those that are still missing are 0.
    across = start - _dot(direction, start) * direction
    first = jnp.stack([direction, unit(across)])
    basis = jnp.pad(first, ((0, dimensions - 1), (0, 0)))

    def multiply(basis: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        image = product(basis[index])
        inside = _dot(basis, image)
        left = image - _dot(inside, basis)
        length = norm(left)
        # An exhausted space gets no new direction.
        is_new = length > _LEAST * norm(inside)
        new = jnp.where(is_new, left / jnp.where(is_new, length, 1.0), 0.0)
        # The first two vectors are there, and none follows the last product.
        is_missing = (index > 0) & (index < dimensions)
        at = jnp.minimum(index + 1, dimensions)
        added = jnp.where(is_missing, new, basis[at])
        return lax.dynamic_update_index_in_dim(basis, added, at, 0), inside

    # Row i holds the products of the vectors up to the i-th with the image of the i-th.
    basis, rows = lax.scan(multiply, basis, jnp.arange(dimensions + 1))
    lower = jnp.tril(rows[1:, 1:])
    matrix = lower + jnp.tril(lower, -1).T
    # A missing diagonal entry takes the value of the first, which leaves the extremes as they are.
    is_missing = ~jnp.any(basis[1:] != 0, axis=1)
    filled = matrix + jnp.diag(jnp.where(is_missing, matrix[0, 0], 0.0))
    values, vectors = jnp.linalg.eigh(filled)
    ahead = _dot(vectors[:, 0] + vectors[:, -1], basis[1:])
    return Curvature(rows[0, 0], values[-1], values[0], ahead)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision="highest")


def _measure(subject: Subject, snapshot: Snapshot, memory: jax.Array) -> tuple[Values, jax.Array]:
    def loss(params: Any) -> jax.Array:
        outputs = subject.apply(params, snapshot.state.model_state, snapshot.batch.inputs)
        return jnp.mean(subject.task.loss(outputs, snapshot.batch.targets))

    update = unit(ravel_pytree(snapshot.first.updates)[0])
    found = curvature(hessian_product(loss, snapshot.state.params), update, memory, subject.options[DIMENSIONS])
    values = {ALONG: found.along, TOP: found.top, BOTTOM: found.bottom}
    # A vector that is not finite, or has no length, would stay so.
    is_usable = jnp.all(jnp.isfinite(found.ahead)) & jnp.any(found.ahead != 0)
    ahead = jnp.where(is_usable, found.ahead, memory)
    return {name: {WHOLE: value} for name, value in values.items()}, ahead


_PANEL = Panel(
    "curvature", (TOP, ALONG, BOTTOM), "symlog",
    "of the loss: largest and smallest across the update, and (dashed) along it",
    "a smallest one below 0 is a saddle; along the update below 0: it is going down from it",
    dashed=ALONG,
)  # fmt: skip
_SERIES = {
    ALONG: "the curvature along the update",
    TOP: "the largest curvature across it",
    BOTTOM: "the smallest curvature across it",
}
DIAGNOSTIC = Diagnostic(_SERIES, _measure, (_PANEL,), _obstacle, _start)
