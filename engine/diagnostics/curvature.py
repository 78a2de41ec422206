"""How the loss is curved along the way a run goes, and across it.

Definition: with the Hessian H of the loss of the first evaluation batch (as it is evaluated:
dropout off, normalised by the batch) and the update u that is taken next,

    curvature_along  = uᵀHu / uᵀu,
    curvature_top    = the largest,
    curvature_bottom = the smallest Ritz value of PHP, P = 1 − uuᵀ/uᵀu, the directions across.

The Ritz values are of a Krylov space of three dimensions, which begins where the last measurement
has ended: with the sum of its two Ritz vectors. The top is never above the largest eigenvalue of
PHP, nor the bottom below the smallest, and both approach them from one measurement to the next, as
long as the landscape changes slowly. A bottom well below 0 is a saddle: there is a way down that
the update does not take.

Source: Lanczos' method with restarts (Parlett 1998, The Symmetric Eigenvalue Problem, chapter 13).

Cost: one step, shared with `norms`, and on one evaluation batch one gradient and four products of
the Hessian with a vector, reverse over reverse: about 3 + 4 × 6 forward passes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from engine.diagnostics.diagnostic import WHOLE, Diagnostic, Sight, Subject, Values
from engine.diagnostics.vectors import norm, unit
from engine.training import TrainState

ALONG, TOP, BOTTOM = "curvature_along", "curvature_top", "curvature_bottom"

_DIMENSIONS = 3
# Of a new direction against the product it is what is left of: below this it is rounding.
_LEAST = 1e-5

Product = Callable[[jax.Array], jax.Array]


def _obstacle(subject: Subject) -> str | None:
    if subject.num_params > 1:
        return None
    return "there is no direction across the update with one parameter"


def _start(subject: Subject, state: TrainState) -> jax.Array:
    # Of the same direction for all runs: it must only not happen to be at a right angle to all
    # that is looked for.
    key = jax.random.key(0, impl="threefry2x32")
    return unit(jax.random.normal(key, (subject.num_params,), jnp.float32))


def hessian_product(loss: Callable[[Any], jax.Array], params: Any) -> Product:
    """The product of the Hessian with a flat vector.

    Reverse over reverse: the rules by which convolutions are rewritten have no forward mode. The
    Hessian is symmetric, so that the transpose of its product is the product.

    Args:
        loss: of the parameters.
        params: where.
    """
    flat, unflat = ravel_pytree(params)
    _, product = jax.vjp(jax.grad(lambda flat: loss(unflat(flat))), flat)
    return lambda vector: product(vector)[0]


def extremes(
    product: Product, across: jax.Array, start: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Largest and smallest Ritz value across a direction, and where to begin the next time.

    Args:
        product: with a symmetric matrix.
        across: the direction, of length 1.
        start: a vector.
    """

    def without(vector: jax.Array, basis: list[jax.Array]) -> jax.Array:
        # Twice, because once leaves rounding behind that grows.
        for _ in range(2):
            for other in basis:
                vector = vector - jnp.vdot(other, vector) * other
        return vector

    basis = [unit(without(start, [across]))]
    images = []
    for _ in range(_DIMENSIONS):
        image = without(product(basis[-1]), [across])
        images.append(image)
        left = without(image, [across, *basis])
        length = norm(left)
        # Where the space is exhausted the first direction stands in, which changes no Ritz value.
        is_new = length > _LEAST * norm(image)
        new = jnp.where(is_new, left / jnp.where(is_new, length, 1.0), 0.0)
        basis.append(new)
    del basis[-1]
    matrix = jnp.stack([jnp.stack([jnp.vdot(a, b) for b in images]) for a in basis])
    matrix = (matrix + matrix.T) / 2
    is_empty = jnp.stack([jnp.vdot(a, a) < 0.5 for a in basis])
    matrix = matrix + jnp.diag(jnp.where(is_empty, matrix[0, 0], 0.0))
    values, vectors = jnp.linalg.eigh(matrix)
    chosen = vectors[:, 0] + vectors[:, -1]
    ahead = sum(weight * direction for weight, direction in zip(chosen, basis, strict=True))
    return values[-1], values[0], jnp.where(norm(ahead) > 0, ahead, start)


def _measure(subject: Subject, sight: Sight, memory: jax.Array) -> tuple[Values, jax.Array]:
    def loss(params: Any) -> jax.Array:
        outputs = subject.apply(params, sight.state.model_state, sight.batch.inputs)
        return jnp.mean(subject.task.loss(outputs, sight.batch.targets))

    product = hessian_product(loss, sight.state.params)
    update = unit(ravel_pytree(sight.first.updates)[0])
    along = jnp.vdot(update, product(update))
    top, bottom, ahead = extremes(product, update, memory)
    # A vector that is not finite would stay so.
    kept = jnp.where(jnp.all(jnp.isfinite(ahead)), ahead, memory)
    return {ALONG: {WHOLE: along}, TOP: {WHOLE: top}, BOTTOM: {WHOLE: bottom}}, kept


DIAGNOSTIC = Diagnostic(
    series=(ALONG, TOP, BOTTOM), measure=_measure, obstacle=_obstacle, start=_start
)
