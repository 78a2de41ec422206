"""What half precision takes from a gradient, with known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.preflight.halves import has_halves, rounded_away, trace_gradient

_INPUTS = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
_PARAMS = [np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32)] * 2


def _zeroed(kind, scale, params=_PARAMS):
    """Share for two layers in a number format, with a loss that is scaled."""

    def apply(params, state, inputs):
        first, second = (p.astype(kind) for p in params)
        return (jax.nn.tanh(inputs.astype(kind) @ first) @ second).astype(jnp.float32)

    program = trace_gradient(apply, lambda out: scale * jnp.mean(out), params, {}, _INPUTS)
    assert has_halves(program) == (kind != jnp.float32)
    return float(jax.jit(lambda p: rounded_away(program, p, {}, _INPUTS)[0])(params))


@pytest.mark.parametrize(
    ("kind", "scale", "expected"),
    [
        (jnp.float32, 1e-12, 0.0),
        (jnp.bfloat16, 1e-12, 0.0),
        (jnp.float16, 1.0, 0.0),
        # 1e-12 is below 6e-8, the smallest number of that type.
        (jnp.float16, 1e-12, 1.0),
    ],
)
def test_small_gradients(kind, scale, expected):
    assert _zeroed(kind, scale) == expected


def test_what_overflows():
    assert np.isnan(_zeroed(jnp.float16, 1.0, [_PARAMS[0], 1e6 * _PARAMS[1]]))
    assert _zeroed(jnp.bfloat16, 1.0, [_PARAMS[0], 1e6 * _PARAMS[1]]) == 0


def test_values_that_are_rounded_without_a_change_of_type():
    def apply(params, state, inputs):
        squares = jnp.sum(jnp.square(100 * inputs), axis=1, keepdims=True)
        return (inputs * jax.lax.rsqrt(jax.lax.reduce_precision(squares, 5, 10))) @ params

    program = trace_gradient(apply, jnp.mean, _PARAMS[0], {}, _INPUTS)
    assert has_halves(program)
    lost, displaced = rounded_away(program, _PARAMS[0], {}, _INPUTS)
    # Sums of about 6e4: some are above 65,504, and what is divided by their root is 0.
    share = np.mean(np.sum(np.square(100 * _INPUTS), axis=1) > 65504)
    assert 0 < share < 1
    assert lost == 0
    assert displaced == pytest.approx(np.sqrt(share), abs=0.3)


def test_outputs_that_are_rounded():
    def displaced(kind, offset):
        apply = lambda p, _, x: (x.astype(kind) + offset).astype(jnp.float32) @ p  # noqa: E731
        program = trace_gradient(apply, jnp.mean, _PARAMS[0], {}, _INPUTS)
        return float(rounded_away(program, _PARAMS[0], {}, _INPUTS)[1])

    assert displaced(jnp.float32, 1e4) == 0
    assert displaced(jnp.bfloat16, 0.0) < 0.01
    # Units in the last place are 64 at 1e4.
    assert displaced(jnp.bfloat16, 1e4) > 0.9


def test_loops_are_not_judged():
    def apply(params, state, inputs):
        step = lambda hidden, _: (jnp.tanh(hidden @ params.astype(jnp.float16)), None)  # noqa: E731
        return jax.lax.scan(step, inputs.astype(jnp.float16), length=3)[0].astype(jnp.float32)

    program = trace_gradient(apply, lambda out: 1e-12 * jnp.mean(out), _PARAMS[0], {}, _INPUTS)
    assert rounded_away(program, _PARAMS[0], {}, _INPUTS) == (0, 0)


def test_a_derivative_that_is_rounded():
    @jax.custom_vjp
    def rounded(x):
        return x

    rounded.defvjp(lambda x: (x, None), lambda _, g: (g.astype(jnp.float16).astype(jnp.float32),))
    apply = lambda p, _, x: rounded(x @ p)  # noqa: E731
    for scale, expected in ((1.0, 0.0), (1e-9, 1.0)):
        program = trace_gradient(apply, lambda out, scale=scale: scale * jnp.mean(out), _PARAMS[0], {}, _INPUTS)
        assert has_halves(program)
        lost, displaced = rounded_away(program, _PARAMS[0], {}, _INPUTS)
        assert (float(lost), float(displaced)) == (expected, 0.0)
