"""Curvature against dense matrices and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from engine.arms.arm import Arm
from engine.models import lowering, make_model
from engine.studies.study import resolve_arm
from engine.training.probes.curvature import curvature, hessian_product
from tests.conftest import small_arm

_CASES = {
    "mlp": (small_arm(dense_widths=(5,), activation="tanh"), "direct"),
    "cnn_direct": (Arm(conv_widths=(3, 4), pool_after=(1,), dense_widths=(5,), activation="tanh"), "direct"),
    "cnn_patches": (Arm(conv_widths=(3, 4), pool_after=(1,), dense_widths=(5,), activation="tanh"), "patches"),
    "cnn_norm": (Arm(conv_widths=(3,), pool_after=(), dense_widths=(4,), batch_norm=True, activation="tanh"), "direct"),
}


def _symmetric(values, seed=0):
    size = len(values)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return (q * values) @ q.T


def _across(matrix, direction):
    """Eigenvalues of the matrix in the complement of a direction."""
    size = len(direction)
    basis, _ = np.linalg.qr(np.column_stack([direction, np.eye(size)[:, 1:]]))
    return np.linalg.eigvalsh(basis[:, 1:].T @ matrix @ basis[:, 1:])


def test_curvature_finds_the_extremes_across_after_some_measurements():
    values = np.concatenate([np.linspace(-0.5, 1.0, 37), [-2.0, 3.0, 5.0]])
    matrix = _symmetric(values)
    generator = np.random.default_rng(1)
    direction = generator.normal(size=40)
    direction /= np.linalg.norm(direction)
    expected = _across(matrix, direction)
    dense = jnp.asarray(matrix, jnp.float32)
    one = jax.jit(lambda v, start: curvature(lambda x: dense @ x, v, start, 2))
    ahead = jnp.asarray(generator.normal(size=40), jnp.float32)
    tops, bottoms = [], []
    for _ in range(40):
        found = one(jnp.asarray(direction, jnp.float32), ahead)
        ahead = found.ahead
        tops.append(float(found.top))
        bottoms.append(float(found.bottom))
    assert float(found.along) == pytest.approx(direction @ matrix @ direction, abs=1e-5)
    # Never beyond the eigenvalues, but for rounding of numbers up to 5.
    assert max(tops) <= expected[-1] + 1e-5
    assert min(bottoms) >= expected[0] - 1e-5
    assert tops[-1] == pytest.approx(expected[-1], rel=1e-2)
    assert bottoms[-1] == pytest.approx(expected[0], rel=1e-2)
    assert tops[0] < 0.9 * expected[-1]


def test_as_many_dimensions_as_there_are_across_find_the_extremes_at_once():
    matrix = _symmetric(np.array([-2.0, -1.0, 0.5, 1.0, 3.0, 5.0]))
    direction = np.full(6, 1 / np.sqrt(6))
    expected = _across(matrix, direction)
    dense = jnp.asarray(matrix, jnp.float32)
    start = jnp.asarray(np.random.default_rng(2).normal(size=6), jnp.float32)
    found = curvature(lambda x: dense @ x, jnp.asarray(direction, jnp.float32), start, 5)
    assert [float(found.bottom), float(found.top)] == pytest.approx([expected[0], expected[-1]], rel=1e-3)


@pytest.mark.parametrize("scale", [1e-20, 1.0])
def test_an_exhausted_space_makes_up_no_curvature(scale):
    """Across the first axis everything is curved alike, so that there is no second direction."""
    diagonal = scale * jnp.asarray([7.0, 3.0, 3.0, 3.0])
    start = jnp.asarray([1.0, 1.0, 0.0, 1.0])
    found = curvature(lambda x: diagonal * x, jnp.eye(4)[0], start, 2)
    values = [float(v) / scale for v in (found.along, found.top, found.bottom)]
    assert values == pytest.approx([7, 3, 3], rel=1e-5)


def _loss(arm, form):
    model = make_model(resolve_arm(arm), (8, 8, 1), 10)
    inputs = jax.random.normal(jax.random.key(1), (8, 8, 8, 1))
    labels = jnp.arange(8) % 10
    params, state = model.init(jax.random.key(0), inputs[:1])
    apply = lowering.lower(model.batch_apply, form)

    def loss(params):
        shares = jax.nn.log_softmax(apply(params, state, inputs))
        return -jnp.mean(shares[jnp.arange(8), labels])

    return loss, params


@pytest.mark.parametrize(
    "name", ["cnn_direct", *(pytest.param(n, marks=pytest.mark.slow) for n in ("cnn_norm", "cnn_patches"))]
)
def test_products_with_the_hessian_are_those_of_the_native_network(name):
    """Which are made forward over reverse, by JAX' own rules throughout."""
    arm, form = _CASES[name]
    (loss, params), (native, _) = _loss(arm, form), _loss(arm, "native")
    flat, unflat = ravel_pytree(params)
    gradient = jax.grad(lambda x: native(unflat(x)))
    direction = jax.random.normal(jax.random.key(2), flat.shape)
    product = jax.jit(lambda v: hessian_product(loss, params)(v))(direction)
    expected = jax.jit(lambda v: jax.jvp(gradient, (flat,), (v,))[1])(direction)
    # Rounding of sums of some thousand products, two layers deep.
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(np.asarray(product), expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["mlp", pytest.param("cnn_norm", marks=pytest.mark.slow)])
def test_products_with_the_hessian_are_differences_of_gradients(name):
    """Of networks without pooling, whose gradients have no jumps."""
    arm, form = _CASES[name]
    loss, params = _loss(arm, form)
    native, _ = _loss(arm, "native")
    flat, unflat = ravel_pytree(params)
    gradient = jax.jit(lambda x: ravel_pytree(jax.grad(native)(unflat(x)))[0])
    direction = jax.random.normal(jax.random.key(2), flat.shape)
    direction = direction / jnp.linalg.norm(direction)
    product = jax.jit(lambda v: hessian_product(loss, params)(v))(direction)
    step = 1e-2
    ahead, behind = (np.asarray(gradient(flat + s * step * direction)) for s in (1, -1))
    differences = (ahead - behind) / (2 * step)
    # Errors of the differences: step² of the third derivatives, and the rounding of gradients of
    # about 1 over the step; together well below 1e-3 of the largest entry.
    scale = np.abs(differences).max()
    np.testing.assert_allclose(np.asarray(product), differences, rtol=0, atol=3e-3 * scale)


def test_products_with_the_hessian_are_those_of_the_dense_one():
    loss, params = _loss(*_CASES["mlp"])
    flat, unflat = ravel_pytree(params)
    dense = np.asarray(jax.jit(jax.hessian(lambda x: loss(unflat(x))))(flat))
    vectors = np.random.default_rng(0).normal(size=(3, len(flat))).astype(np.float32)
    found = jax.jit(jax.vmap(hessian_product(loss, params)))(vectors)
    # Sums of some hundred products in float32.
    np.testing.assert_allclose(np.asarray(found), vectors @ dense, atol=1e-4 * np.abs(dense).max())
