"""What is read from traced networks, with known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.preflight.traced import run, trace

_INPUTS = jax.ShapeDtypeStruct((8, 6), jnp.float32)
_WEIGHTS = jax.ShapeDtypeStruct((6, 6), jnp.float32)


def _of(activation):
    """Two layers of an activation, each behind a matrix, and a linear one."""

    def apply(params, state, inputs):
        hidden = activation(inputs @ params)
        return activation(hidden @ params) @ params

    return trace(apply, _WEIGHTS, {}, _INPUTS)


def _cell(inputs):
    """One step of an LSTM: all its squashed values multiply something."""
    forget, candidate, output = jax.nn.sigmoid(inputs), jnp.tanh(inputs[:, ::-1]), jax.nn.sigmoid(2 * inputs)
    return output * jnp.tanh(forget * inputs + jax.nn.sigmoid(3 * inputs) * candidate)


@pytest.mark.parametrize(
    ("activation", "names"),
    [
        (jnp.tanh, ["tanh"] * 2),
        (jax.nn.sigmoid, ["logistic"] * 2),
        (jax.jit(jax.nn.sigmoid), ["logistic"] * 2),
        (lambda x: 1.7159 * jnp.tanh(2 / 3 * x), ["tanh"] * 2),
        (lambda x: jnp.reshape(jnp.tanh(x) - 0.1, x.shape), ["tanh"] * 2),
        (lambda x: x + jnp.tanh(x), ["tanh"] * 2),
        (jax.nn.relu, []),
        (jax.nn.gelu, []),
        (jax.nn.silu, []),
        (lambda x: x * jnp.tanh(jax.nn.softplus(x)), []),
        (lambda x: jnp.tanh(x) * jax.nn.sigmoid(x), []),
        (lambda x: (1 - jax.nn.sigmoid(x)) * x, []),
        (_cell, []),
    ],
)
def test_gates_are_no_saturating_layers(activation, names):
    assert [name for _, name in _of(activation).saturating] == names


def test_the_outputs_are_no_hidden_layer():
    traced = trace(lambda params, _, inputs: jnp.tanh(jnp.tanh(inputs @ params) @ params), _WEIGHTS, {}, _INPUTS)
    assert traced.saturating == ((0, "tanh"),)


def test_a_traced_network_gives_its_outputs_and_what_is_squashed():
    params, inputs = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32)
    traced = trace(lambda p, _, x: jnp.tanh(jax.nn.silu(x @ p)) @ p, params, {}, inputs)
    outputs, before, _ = run(traced, params, {}, inputs)
    expected = jax.nn.silu(inputs @ params)
    np.testing.assert_allclose(before, expected[None], rtol=1e-6)
    np.testing.assert_allclose(outputs, jnp.tanh(expected) @ params, rtol=1e-6)


def _narrow(width, shortcut=False):
    def apply(params, state, inputs):
        hidden = jax.nn.relu(inputs @ params)
        narrow = jax.jit(lambda h: jax.nn.relu(h @ params[:, :width]))(hidden)
        wide = narrow @ params[:width]
        return (hidden + wide if shortcut else wide) @ params

    return trace(apply, _WEIGHTS, {}, _INPUTS).narrowest


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_narrowest_place(width):
    assert _narrow(width) == width
    assert _narrow(width, shortcut=True) == 6


def _entering(apply, params, inputs):
    """Arrays that the first weights are given."""
    return run(trace(apply, params, {}, inputs), params, {}, inputs).entering


def test_what_the_first_weights_are_given():
    params, inputs = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32)
    scaled, halved = _entering(lambda p, _, x: jnp.tanh((x / 255) @ p) @ p + (x / 2) @ p[::-1], params, inputs)
    np.testing.assert_allclose(scaled, inputs / 255, rtol=1e-6)
    np.testing.assert_allclose(halved, inputs / 2, rtol=1e-6)
    # A scale and a bias are no product: what they make of the inputs is given to the first matrix.
    (moved,) = _entering(lambda p, _, x: jax.jit(lambda x: x * p[0] + p[1])(x) @ p, params, inputs)
    np.testing.assert_allclose(moved, inputs * params[0] + params[1], rtol=1e-6)
    assert _entering(lambda p, _, x: x @ jnp.ones((6, 6)) + p[0], params, inputs) == []


def test_what_is_looked_up_is_told_from_what_is_multiplied():
    params, tokens = np.ones((6, 6), np.float32), np.arange(6.0)
    traced = trace(lambda p, _, x: p[x.astype(jnp.int32)] @ p + x @ p, params, {}, tokens)
    assert [product.is_lookup for product in traced.entering] == [True, False]


def test_loops_and_tables_take_in_what_they_are_given():
    params, inputs = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32)

    def loop(p, _, x):
        return jax.lax.scan(lambda h, row: (jnp.tanh(h @ p + row), None), jnp.zeros(6), x)[0]

    (rows,) = _entering(loop, params, inputs)
    np.testing.assert_array_equal(rows, inputs)
    tokens = np.arange(6) // 2
    found = _entering(lambda p, _, x: p[x] @ p, params, tokens)
    assert len(found) == 1
    np.testing.assert_array_equal(np.ravel(found[0]), tokens)
