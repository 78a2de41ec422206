"""Rewritten operations against the native ones, in float64 where rounding is 1e-16."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from engine.lowering import lower

RNG = np.random.default_rng(0)


def _agree(fn, *args, scale=1.0):
    """Same value and same gradient of a random projection, and really rewritten."""
    weights = jnp.asarray(RNG.normal(size=jax.eval_shape(fn, *args).shape))
    lowered = lower(fn)
    np.testing.assert_allclose(lowered(*args), fn(*args), atol=1e-5 * scale, rtol=1e-5)
    gradients = [
        jax.grad(lambda *a, f=f: jnp.sum(weights * f(*a)), argnums=tuple(range(len(args))))(*args)
        for f in (fn, lowered)
    ]
    for native, ours in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, native, atol=1e-4 * scale, rtol=1e-4)


def _primitives(fn, *args) -> set[str]:
    def names(jaxpr):
        for eqn in jaxpr.eqns:
            yield eqn.primitive.name
            for param in eqn.params.values():
                if hasattr(param, "jaxpr"):
                    yield from names(param.jaxpr)

    return set(names(jax.make_jaxpr(fn)(*args).jaxpr))


CONVOLUTIONS = [
    (dims, stride, padding, dilation, channels)
    for dims, stride, padding, dilation, channels in itertools.product(
        (1, 2, 3), (1, 2), ("SAME", "VALID", 1), (1, 2), (1, 5)
    )
    if dims == 2 or (channels == 5 and (stride, dilation) != (2, 2))
]


@pytest.mark.parametrize(("dims", "stride", "padding", "dilation", "channels"), CONVOLUTIONS)
def test_convolutions(dims, stride, padding, dilation, channels):
    spatial = (7, 6, 5)[:dims]
    window = (3, 2, 3)[:dims]
    x = jnp.asarray(RNG.normal(size=(2, *spatial, channels)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(*window, channels, 4)), jnp.float32)
    letters = "HWD"[:dims]
    pads = [(padding, padding)] * dims if isinstance(padding, int) else padding

    def conv(x, k):
        return lax.conv_general_dilated(
            x,
            k,
            (stride,) * dims,
            pads,
            rhs_dilation=(dilation,) * dims,
            dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        )

    if 0 in jax.eval_shape(conv, x, k).shape:
        pytest.skip("the dilated window is larger than the input")
    _agree(conv, x, k, scale=10.0)
    assert "conv_general_dilated" not in _primitives(lower(conv), x, k)


@pytest.mark.parametrize(
    "numbers",
    [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NCHW"), ("CNHW", "IHWO", "HWNC")],
)
def test_any_order_of_dimensions(numbers):
    sizes = {"N": 2, "C": 3, "H": 6, "W": 5}
    x = jnp.asarray(RNG.normal(size=[sizes[d] for d in numbers[0]]), jnp.float32)
    kernel_sizes = {"H": 3, "W": 2, "I": 3, "O": 4}
    k = jnp.asarray(RNG.normal(size=[kernel_sizes[d] for d in numbers[1]]), jnp.float32)
    _agree(
        lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers), x, k
    )


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(
    ("window", "strides"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (1, 1))]
)
def test_max_pooling(window, strides, padding):
    x = jnp.asarray(RNG.normal(size=(2, 7, 6, 3)), jnp.float32)
    pool = lambda x: nn.max_pool(x, window, strides, padding)  # noqa: E731
    _agree(pool, x)
    assert "reduce_window_max" not in _primitives(lower(pool), x)


def test_ties_in_a_window_give_the_gradient_to_the_first():
    x = jnp.zeros((1, 4, 4, 1))
    pool = lambda x: jnp.sum(nn.max_pool(x, (2, 2), (2, 2)))  # noqa: E731
    np.testing.assert_array_equal(jax.grad(lower(pool))(x), jax.grad(pool)(x))


@pytest.mark.parametrize("position", range(4))
def test_nan_in_a_window_stays(position):
    x = jnp.zeros(4).at[position].set(jnp.nan).reshape(1, 2, 2, 1)
    pool = lambda x: nn.max_pool(x, (2, 2), (2, 2))  # noqa: E731
    assert bool(jnp.isnan(pool(x)).all())
    assert bool(jnp.isnan(lower(pool)(x)).all())


def test_grouped_and_transposed_convolutions_stay_native():
    x = jnp.asarray(RNG.normal(size=(2, 6, 6, 4)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(3, 3, 2, 4)), jnp.float32)

    def grouped(x, k):
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=2
        )

    _agree(grouped, x, k)
    assert "conv_general_dilated" in _primitives(lower(grouped), x, k)
    k = jnp.asarray(RNG.normal(size=(3, 3, 4, 4)), jnp.float32)
    transposed = lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME")  # noqa: E731
    _agree(transposed, x, k)


def test_nested_programs():
    k = jnp.asarray(RNG.normal(size=(3, 3, 2, 2)), jnp.float32)
    x = jnp.asarray(RNG.normal(size=(2, 6, 6, 2)), jnp.float32)

    def conv(x):
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    _agree(jax.jit(lambda x: jax.nn.relu(jax.jit(conv)(x))), x, scale=10.0)
    _agree(jax.checkpoint(lambda x: jnp.tanh(conv(x))), x, scale=10.0)
    _agree(lambda x: lax.scan(lambda c, _: (jnp.tanh(conv(c)), None), x, None, 3)[0], x, scale=10.0)
    _agree(lambda x: lax.cond(x[0, 0, 0, 0] > 0, conv, lambda x: 2 * x, x), x, scale=10.0)


def test_a_seed_axis_makes_no_grouped_convolution():
    module = nn.Conv(4, (3, 3))
    x = jnp.ones((5, 2, 6, 6, 3))
    params = jax.vmap(module.init, (0, None))(jax.random.split(jax.random.key(0), 5), x[0])
    apply = lower(lambda p, x: module.apply(p, x))
    batched = jax.vmap(apply)
    assert "conv_general_dilated" not in _primitives(batched, params, x)
    np.testing.assert_allclose(batched(params, x), jax.vmap(module.apply)(params, x), atol=1e-5)


def test_native_is_the_function_itself():
    fn = lambda x: x  # noqa: E731
    assert lower(fn, "native") is fn
