"""Rewritten operations against the native ones, values and gradients, in every form."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from engine.models.jaxpr import equations
from engine.models.lowering import FORMS, affine, direct, lower
from engine.models.lowering.blocks import block_sizes
from engine.models.lowering.geometry import Geometry

pytestmark = pytest.mark.bits

RNG = np.random.default_rng(0)
REWRITTEN = [form for form in FORMS if form != "native"]


@pytest.fixture(params=REWRITTEN)
def form(request) -> str:
    return request.param


def _agree(fn, *args, form, scale=1.0):
    """Same value and same gradient of a random projection, within rounding of float32."""
    weights = jnp.asarray(RNG.normal(size=jax.eval_shape(fn, *args).shape), jnp.float32)

    @jax.jit
    def value_and_gradients(*args):
        def of(fn):
            every = tuple(range(len(args)))
            return fn(*args), jax.grad(lambda *a: jnp.sum(weights * fn(*a)), every)(*args)

        return of(fn), of(lower(fn, form))

    (value, gradients), (ours, our_gradients) = value_and_gradients(*args)
    np.testing.assert_allclose(ours, value, atol=1e-5 * scale, rtol=1e-5)
    for native, lowered in zip(gradients, our_gradients, strict=True):
        np.testing.assert_allclose(lowered, native, atol=1e-4 * scale, rtol=1e-4)


def _primitives(fn, *args) -> set[str]:
    """Names of all operations, also of those inside others."""

    def names(jaxpr):
        for eqn in jaxpr.eqns:
            yield eqn.primitive.name
            for param in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_program):
                if _is_program(param):
                    yield from names(getattr(param, "jaxpr", param))

    return set(names(jax.make_jaxpr(fn)(*args).jaxpr))


def _is_program(param) -> bool:
    return hasattr(param, "eqns") or hasattr(param, "jaxpr")


def _assert_rewritten(fn, *args, form):
    """No seed axis makes a grouped convolution: one lane at a time, or none at all."""
    many = [jnp.stack([a, a + 1, a - 1]) for a in args]
    batched = jax.vmap(lower(fn, form))
    if form == "patches":
        assert "conv_general_dilated" not in _primitives(batched, *many)
    for eqn in _convolutions(jax.make_jaxpr(batched)(*many).jaxpr):
        assert eqn.params["feature_group_count"] == 1
    each = lambda *many: jnp.stack([fn(*(a[i] for a in many)) for i in range(3)])  # noqa: E731
    ours, native = jax.jit(lambda *many: (batched(*many), each(*many)))(*many)
    np.testing.assert_allclose(ours, native, atol=1e-4, rtol=1e-4)


def _convolutions(jaxpr):
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "conv_general_dilated":
            yield eqn
        for param in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_program):
            if _is_program(param):
                yield from _convolutions(getattr(param, "jaxpr", param))


# One row per geometry: spatial axes, window, stride, padding, kernel dilation, channels, features.
CONVOLUTIONS = {
    "one axis": ((7,), (3,), (1,), "SAME", (1,), 5, 4),
    "one axis, strided and dilated": ((9,), (3,), (2,), "VALID", (2,), 5, 4),
    "square": ((7, 6), (3, 3), (1, 1), "SAME", (1, 1), 5, 4),
    "one channel": ((7, 6), (3, 3), (1, 1), "SAME", (1, 1), 1, 4),
    "oblong window": ((7, 6), (3, 2), (1, 1), "VALID", (1, 1), 5, 4),
    "strides": ((8, 7), (3, 3), (2, 2), "SAME", (1, 1), 5, 4),
    "unequal strides": ((8, 7), (3, 2), (1, 3), "VALID", (1, 1), 5, 4),
    "kernel dilation": ((7, 6), (3, 2), (1, 1), "SAME", (2, 1), 5, 4),
    "strides and dilation": ((9, 9), (3, 3), (2, 2), ((2, 1), (0, 3)), (2, 2), 5, 4),
    "uneven padding": ((7, 6), (3, 3), (1, 1), ((0, 2), (3, 1)), (1, 1), 5, 4),
    "negative padding": ((7, 6), (3, 3), (1, 1), ((-1, 0), (1, -2)), (1, 1), 5, 4),
    "pointwise": ((7, 6), (1, 1), (1, 1), "VALID", (1, 1), 5, 4),
    "pointwise, strided": ((7, 6), (1, 1), (2, 2), "SAME", (1, 1), 5, 4),
    "window over the image": ((2, 2), (3, 3), (1, 1), "SAME", (1, 1), 5, 4),
    "one point": ((1, 1), (3, 3), (1, 1), "SAME", (1, 1), 5, 4),
    "window over the image, strided": ((3, 2), (3, 3), (2, 1), "SAME", (1, 1), 5, 4),
    "volume": ((4, 5, 3), (3, 2, 3), (1, 1, 1), "SAME", (1, 1, 1), 5, 4),
    "volume, strided": ((5, 4, 4), (3, 3, 2), (2, 1, 2), "SAME", (1, 1, 1), 5, 4),
    "blocks of eight": ((5, 16), (3, 3), (1, 1), "SAME", (1, 1), 2, 3),
    "blocks, strided": ((5, 16), (2, 5), (1, 2), "VALID", (1, 1), 3, 16),
    "blocks, cropped and padded": ((4, 9), (3, 3), (1, 1), ((1, 1), (-1, 2)), (1, 1), 4, 8),
    "gradient in blocks": ((9, 12), (3, 4), (2, 3), ((0, 1), (1, 2)), (1, 1), 24, 20),
    "many channels": ((6, 6), (3, 3), (1, 1), "SAME", (1, 1), 40, 24),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, form):
    spatial, window, strides, padding, dilation, channels, features = CONVOLUTIONS[name]
    x = jnp.asarray(RNG.normal(size=(4, *spatial, channels)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(*window, channels, features)), jnp.float32)
    letters = "DHW"[-len(spatial) :]

    def conv(x, k):
        return lax.conv_general_dilated(
            x,
            k,
            strides,
            padding,
            rhs_dilation=dilation,
            dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        )

    _agree(conv, x, k, form=form, scale=10.0)
    _assert_rewritten(conv, x, k, form=form)


@pytest.mark.parametrize(("groups", "channels", "features"), [(2, 6, 4), (3, 3, 9), (5, 5, 5)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_grouped_convolutions(groups, channels, features, strides, form):
    x = jnp.asarray(RNG.normal(size=(2, 7, 6, channels)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(3, 2, channels // groups, features)), jnp.float32)

    def grouped(x, k):
        return lax.conv_general_dilated(
            x, k, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
        )

    _agree(grouped, x, k, form=form, scale=10.0)
    _assert_rewritten(grouped, x, k, form=form)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [(2, 2), (1, 3)])
def test_transposed_convolutions(padding, strides, form):
    x = jnp.asarray(RNG.normal(size=(2, 5, 4, 3)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(3, 2, 3, 4)), jnp.float32)
    transposed = lambda x, k: lax.conv_transpose(x, k, strides, padding)  # noqa: E731
    _agree(transposed, x, k, form=form, scale=10.0)
    _assert_rewritten(transposed, x, k, form=form)


@pytest.mark.parametrize("numbers", [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NCHW"), ("CNHW", "IHWO", "HWNC")])
def test_any_order_of_dimensions(numbers, form):
    sizes = {"N": 2, "C": 3, "H": 6, "W": 5}
    x = jnp.asarray(RNG.normal(size=[sizes[d] for d in numbers[0]]), jnp.float32)
    kernel_sizes = {"H": 3, "W": 2, "I": 3, "O": 4}
    k = jnp.asarray(RNG.normal(size=[kernel_sizes[d] for d in numbers[1]]), jnp.float32)

    def conv(x, k):
        return lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers)

    _agree(conv, x, k, form=form, scale=10.0)


def test_the_gradient_of_a_kernel_is_the_same_in_parts_of_the_batch(monkeypatch):
    x = jnp.asarray(RNG.normal(size=(6, 8, 8, 4)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(3, 3, 4, 5)), jnp.float32)

    def conv(x, k):
        return lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def gradient():
        fn = lambda x, k: jnp.sum(lower(conv, "direct")(x, k) ** 2)  # noqa: E731
        return jax.grad(fn, argnums=1)(x, k)

    whole = gradient()
    monkeypatch.setattr(direct, "_CACHED_BYTES", 2 * 8 * 8 * 5 * 4)
    assert direct._num_parts(x, x) == 3
    np.testing.assert_allclose(gradient(), whole, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", range(24))
def test_random_geometries(case):
    """Values and gradients of `direct`, over all that a convolution can be asked for."""
    generator = np.random.default_rng(case)
    draw = lambda low, high: tuple(int(n) for n in generator.integers(low, high, 2))  # noqa: E731
    window, strides, dilation = draw(1, 5), draw(1, 4), draw(1, 3)
    input_dilation = draw(1, 4) if case % 2 else (1, 1)
    padding = [tuple(int(n) for n in generator.integers(-1, 4, 2)) for _ in range(2)]
    size = draw(6, 13)
    channels, features = (int(n) for n in generator.integers(1, 20, 2))
    x = jnp.asarray(generator.normal(size=(3, *size, channels)), jnp.float32)
    k = jnp.asarray(generator.normal(size=(*window, channels, features)), jnp.float32)

    def conv(x, k):
        return lax.conv_general_dilated(
            x, k, strides, padding, input_dilation, dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    _agree(conv, x, k, form="direct", scale=20.0)


@pytest.mark.parametrize(
    ("channels", "features", "width", "stride", "input_dilation", "expected"),
    [
        (16, 16, 32, 1, 1, (1, 2)),
        (3, 16, 32, 1, 1, (1, 4)),
        (4, 8, 32, 1, 1, (1, 4)),
        (1, 1, 32, 1, 1, (1, 8)),
        (16, 16, 31, 1, 1, (1, 1)),
        (3, 16, 30, 1, 1, (1, 2)),
        (32, 16, 32, 1, 1, (1, 1)),
        (16, 32, 32, 2, 1, (1, 1)),
        (64, 32, 32, 1, 2, (1, 2)),
        (16, 8, 32, 1, 2, (1, 4)),
    ],
)
def test_sizes_of_blocks(channels, features, width, stride, input_dilation, expected):
    geometry = Geometry((1, stride), ((1, 1), (1, 1)), (1, input_dilation), (1, 1))
    assert block_sizes(channels, features, (8, width), geometry) == expected


@pytest.mark.parametrize("form", REWRITTEN)
def test_second_derivatives(form):
    """Reverse over reverse, of a convolution that the inputs do not enter linearly."""
    x = jnp.asarray(RNG.normal(size=(2, 5, 5, 4)), jnp.float32)
    k = jnp.asarray(RNG.normal(size=(3, 3, 4, 4)), jnp.float32)

    def conv(x, k):
        y = lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.mean(jnp.tanh(y) ** 2)

    def curvature(fn):
        return jax.grad(lambda k: jnp.sum(jax.grad(fn, argnums=1)(x, k) ** 2))(k)

    np.testing.assert_allclose(curvature(lower(conv, form)), curvature(conv), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(("window", "strides"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (1, 1))])
@pytest.mark.parametrize("pool", [nn.max_pool, nn.avg_pool])
def test_pooling(pool, window, strides, padding, form):
    x = jnp.asarray(RNG.normal(size=(2, 7, 6, 3)), jnp.float32)
    fn = lambda x: pool(x, window, strides, padding)  # noqa: E731
    _agree(fn, x, form=form)
    assert not {"reduce_window_max", "reduce_window_sum"} & _primitives(lower(fn, form), x)


def test_ties_in_a_window_give_the_gradient_to_the_first():
    x = jnp.zeros((1, 4, 4, 1))
    pool = lambda x: jnp.sum(nn.max_pool(x, (2, 2), (2, 2)))  # noqa: E731
    np.testing.assert_array_equal(jax.grad(lower(pool, "patches"))(x), jax.grad(pool)(x))


@pytest.mark.parametrize("position", range(4))
def test_nan_in_a_window_stays(position):
    x = jnp.zeros(4).at[position].set(jnp.nan).reshape(1, 2, 2, 1)
    pool = lambda x: nn.max_pool(x, (2, 2), (2, 2))  # noqa: E731
    assert bool(jnp.isnan(pool(x)).all())
    assert bool(jnp.isnan(lower(pool, "patches")(x)).all())


def test_ties_keep_the_native_order_in_overlapping_windows():
    """Values of few levels, so that most windows hold the maximum several times."""
    x = jnp.asarray(RNG.integers(0, 2, size=(1, 6, 6, 2)), jnp.float32)
    weights = jnp.asarray(RNG.normal(size=(1, 5, 5, 2)), jnp.float32)
    pool = lambda x: jnp.sum(weights * nn.max_pool(x, (2, 2), (1, 1)))  # noqa: E731
    native = jax.grad(pool)(x)
    np.testing.assert_allclose(jax.grad(lower(pool, "patches"))(x), native, atol=1e-6)


def test_what_no_rule_covers_stays_native_and_is_named(caplog, form):
    x = jnp.asarray(RNG.integers(0, 9, size=(2, 6, 6, 4)), jnp.int32)
    k = jnp.ones((3, 3, 4, 2), jnp.int32)

    def conv(x, k):
        return lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    np.testing.assert_array_equal(lower(conv, form)(x, k), conv(x, k))
    assert "conv_general_dilated of int32[2,6,6,4] stays native" in caplog.text


def _square_of_conv(x):
    y = lax.conv_general_dilated(x, _KERNEL, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y * jnp.abs(y)


_KERNEL = jnp.asarray(RNG.normal(size=(3, 3, 2, 2)), jnp.float32)


@jax.custom_jvp
def _with_own_gradient(x):
    return jnp.tanh(_square_of_conv(x))


@_with_own_gradient.defjvp
def _own_gradient(primals, tangents):
    return _with_own_gradient(*primals), 0.5 * tangents[0]


def _while(x):
    return lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, jnp.tanh(_square_of_conv(c[1]))), (0, x))[1]


NESTED = {
    "jit": jax.jit(lambda x: jax.nn.relu(jax.jit(_square_of_conv)(x))),
    "remat": jax.checkpoint(lambda x: jnp.tanh(_square_of_conv(x))),
    "scan": lambda x: lax.scan(lambda c, b: (jnp.tanh(_square_of_conv(c)) + b, b), x, jnp.arange(3.0))[0],
    "cond": lambda x: lax.cond(x[0, 0, 0, 0] > 0, _square_of_conv, lambda x: 2 * x, x),
    "custom_jvp": _with_own_gradient,
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_programs(name, form):
    x = jnp.asarray(RNG.normal(size=(2, 6, 6, 2)), jnp.float32)
    _agree(NESTED[name], x, form=form, scale=10.0)
    if name != "custom_jvp":
        _assert_rewritten(NESTED[name], x, form=form)


def test_a_loop_of_unknown_length(form):
    x = jnp.asarray(RNG.normal(size=(2, 6, 6, 2)), jnp.float32)
    np.testing.assert_allclose(lower(_while, form)(x), _while(x), rtol=1e-4, atol=1e-5)
    _assert_rewritten(_while, x, form=form)


def test_a_gradient_of_the_models_own_is_kept(caplog, form):
    x = jnp.ones((1, 4, 4, 2))
    gradient = jax.grad(lambda x: jnp.sum(lower(_with_own_gradient, form)(x)))(x)
    np.testing.assert_allclose(gradient, 0.5)
    assert "inside a custom_jvp_call stay native" in caplog.text


def test_flax_layers_under_a_seed_axis(form):
    module = nn.Conv(4, (3, 3))
    x = jnp.ones((5, 2, 6, 6, 3))
    params = jax.vmap(module.init, (0, None))(jax.random.split(jax.random.key(0), 5), x[0])
    batched = jax.vmap(lower(lambda p, x: module.apply(p, x), form))
    np.testing.assert_allclose(batched(params, x), jax.vmap(module.apply)(params, x), atol=1e-5)


NORMALISATIONS = {
    "batch": (nn.BatchNorm(use_running_average=False), 1),
    "batch, running": (nn.BatchNorm(use_running_average=True), 1),
    "group": (nn.GroupNorm(2), 1),
    "batch, no offset": (nn.BatchNorm(use_running_average=False, use_bias=False), 0),
    "layer": (nn.LayerNorm(), 0),
}


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalisation_layers(name):
    module, num_chains = NORMALISATIONS[name]
    x = jnp.asarray(RNG.normal(size=(4, 5, 3, 6)) * 3 + 2, jnp.float32)
    variables = jax.tree.map(
        lambda a: jnp.asarray(RNG.uniform(0.5, 2.0, a.shape), jnp.float32), module.init(jax.random.key(0), x)
    )

    def fn(x, params):
        rest = {name: value for name, value in variables.items() if name != "params"}
        return module.apply({"params": params, **rest}, x, mutable=list(rest))[0]

    params = variables["params"]
    assert len(affine.find(jax.make_jaxpr(fn)(x, params).jaxpr)[0]) == num_chains
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    _agree(lambda x, flat: fn(x, unflatten(flat)), x, flat, form="direct", scale=10.0)


@pytest.mark.parametrize(
    ("name", "fn", "num_chains"),
    [
        # As PyTorch has it, and Equinox.
        ("times deviation, times weight", lambda x, m, s, w, b: (x - m) * s * w + b, 1),
        ("over deviation, times weight", lambda x, m, s, w, b: w * ((x - m) / s) + b, 1),
        ("offset first", lambda x, m, s, w, b: b + (x - m) / s / w, 1),
        ("in it divided by", lambda x, m, s, w, b: s / (x - m) * w + b, 0),
        ("no factor", lambda x, m, s, w, b: (x - m) + b, 0),
        ("four factors", lambda x, m, s, w, b: (x - m) * s * w * s * w + b, 0),
    ],
)
def test_normalisations_of_several_factors(name, fn, num_chains):
    x = jnp.asarray(RNG.normal(size=(4, 3, 6)) * 3 + 8, jnp.float32)
    shared = [jnp.asarray(RNG.uniform(0.5, 2.0, (1, 1, 6)), jnp.float32) for _ in range(4)]
    assert len(affine.find(jax.make_jaxpr(fn)(x, *shared).jaxpr)[0]) == num_chains
    _agree(fn, x, *shared, form="direct", scale=30.0)


def test_factors_that_vary_over_other_axes_are_kept():
    """A normalisation over features whose weight is one for each of them has no shared scale."""
    x, mean, weight = jnp.ones((4, 3, 6)), jnp.full((4, 3, 1), 0.5), jnp.ones((1, 1, 6))
    fn = lambda x, m, s, w, b: (x - m) * s * w + b  # noqa: E731
    assert affine.find(jax.make_jaxpr(fn)(x, mean, mean, weight, weight).jaxpr) == ({}, set())


def test_a_step_that_is_read_elsewhere_is_kept():
    x, a = jnp.ones((4, 3)), jnp.full((1, 3), 2.0)

    def fn(x, shift, scale, offset):
        difference = x - shift
        return (difference * scale + offset) * difference

    assert affine.find(jax.make_jaxpr(fn)(x, a, a, a).jaxpr) == ({}, set())
    _agree(fn, x, a, 3 * a, a - 1, form="direct")


def test_a_normalisation_in_few_digits_is_kept():
    x, a = jnp.ones((4, 3), jnp.bfloat16), jnp.ones((1, 3), jnp.bfloat16)
    fn = lambda x, a: (x - a) * a + a  # noqa: E731
    assert affine.find(jax.make_jaxpr(fn)(x, a).jaxpr) == ({}, set())


@pytest.mark.parametrize("window", [(3, 3), (1, 1)])
def test_gradients_of_kernels_in_few_digits_are_summed_in_many(window, monkeypatch):
    """16 parts of a batch in bfloat16: as near to float32 as one rounding of the result."""
    x = jnp.asarray(RNG.normal(1.0, 1.0, size=(16, 8, 8, 4)), jnp.bfloat16)
    k = jnp.asarray(RNG.normal(size=(*window, 4, 4)), jnp.bfloat16)
    weights = jnp.asarray(RNG.normal(1.0, 1.0, size=(16, 8, 8, 4)), jnp.bfloat16)
    monkeypatch.setattr(direct, "_CACHED_BYTES", x.nbytes / 16)

    def conv(x, k):
        return lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def gradient(fn, *args):
        return jax.vjp(fn, *args)[1](weights.astype(args[0].dtype))[1].astype(jnp.float32)

    exact = gradient(conv, x.astype(jnp.float32), k.astype(jnp.float32))
    ours = gradient(lower(conv, "direct"), x, k)
    np.testing.assert_allclose(ours, exact, rtol=2.0**-8, atol=0)


def test_native_is_the_function_itself():
    fn = lambda x: x  # noqa: E731
    assert lower(fn, "native") is fn


def _channels_first(x, kernels, bias, scale):
    """A network whose channels come first, with what takes any order of axes and what asks for theirs."""
    numbers = ("NCHW", "OIHW", "NCHW")
    x = lax.conv_general_dilated(x, kernels[0], (1, 1), "SAME", dimension_numbers=numbers)
    x = jax.nn.relu(x + bias.reshape(1, -1, 1, 1))
    mean = jnp.mean(x, axis=(0, 2, 3), keepdims=True)
    x = (x - mean) * scale.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = jax.nn.silu(x) * jnp.max(x, axis=1, keepdims=True)
    # As `vmap` over examples leaves it.
    x = jnp.squeeze(jnp.moveaxis(x[:, None], 2, 4).reshape(len(x), 1, *x.shape[2:], 1, x.shape[1]), (1, 4))
    x = jnp.moveaxis(x + jnp.arange(4.0), -1, 1)
    x = lax.conv_general_dilated(x, kernels[1], (1, 1), "SAME", dimension_numbers=numbers)
    spread = jnp.sum(x, axis=(1, 3))
    return jnp.tanh(x).reshape(len(x), -1) * jnp.where(x > 0, x, 0.1).reshape(len(x), -1), spread


@pytest.mark.parametrize("form", REWRITTEN)
def test_what_lies_between_convolutions_takes_any_order_of_axes(form):
    keys = jax.random.split(jax.random.key(3), 5)
    x = jax.random.normal(keys[0], (3, 2, 6, 8))
    kernels = [jax.random.normal(keys[1], (4, 2, 3, 3)), jax.random.normal(keys[2], (5, 4, 3, 3)) / 4]
    bias, scale = jax.random.normal(keys[3], (4,)), 1 + jax.random.normal(keys[4], (4,)) / 4

    def loss(function):
        def summed(*args):
            first, second = function(*args)
            return jnp.sum(jnp.sin(first)) + jnp.sum(jnp.cos(second / 9))

        return jax.jit(jax.value_and_grad(summed, (0, 1, 2, 3)))(x, kernels, bias, scale)

    native, ours = loss(_channels_first), loss(lower(_channels_first, form))
    for a, b in zip(jax.tree.leaves(native), jax.tree.leaves(ours), strict=True):
        # Sums of some hundred terms, of which the largest decides the rounding.
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-4 * float(jnp.max(jnp.abs(a))))


def test_axes_are_turned_at_the_ends_alone():
    """From one convolution to the next nothing is turned but kernels, which their gradients need anyway."""
    shapes = [(3, 2, 6, 8), [(4, 2, 3, 3), (5, 4, 3, 3)], (4,), (4,)]
    args = jax.tree.map(lambda s: jnp.ones(s), shapes, is_leaf=lambda s: isinstance(s, tuple))
    program = jax.make_jaxpr(lower(lambda x, k, b, s: _between(x, k, b), "direct"))(*args)
    turns = [e for e in program.eqns if e.primitive.name == "transpose" and e.invars[0].aval.shape[0] == 3]
    assert len(turns) == 2, "into the first convolution and out of the last"


def _between(x, kernels, bias):
    numbers = ("NCHW", "OIHW", "NCHW")
    x = lax.conv_general_dilated(x, kernels[0], (1, 1), "SAME", dimension_numbers=numbers)
    x = jax.nn.relu(x + bias.reshape(1, -1, 1, 1))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return lax.conv_general_dilated(x, kernels[1], (1, 1), "SAME", dimension_numbers=numbers)


def test_a_non_linearity_of_the_same_name_keeps_its_derivative():
    @jax.custom_jvp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvps(lambda t, ans, x: 7 * t)

    def network(x, k):
        x = lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return relu(x)

    x, k = jnp.ones((1, 1, 5, 5)), jnp.ones((1, 1, 3, 3))
    slope = jax.grad(lambda x: jnp.sum(lower(network, "direct")(x, k)))(x)
    np.testing.assert_allclose(slope, jax.grad(lambda x: jnp.sum(network(x, k)))(x), rtol=1e-5)
    assert slope[0, 0, 2, 2] == pytest.approx(63)


def _products(fn, *args) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shapes of the factors of each product."""
    program = jax.make_jaxpr(lower(fn, "direct"))(*args)
    found = [eqn for eqn in equations(program) if eqn.primitive.name == "dot_general"]
    return [tuple(factor.aval.shape for factor in eqn.invars) for eqn in found]


_ROWS, _WEIGHTS = (np.float32(RNG.normal(size=shape)) for shape in ((5, 7, 3), (3, 2, 4)))
PRODUCTS = {
    "inputs first": (lambda x, w: jnp.einsum("bsd,dhk->bshk", x, w), [((35, 3), (3, 2, 4))]),
    "weights first": (lambda x, w: jax.vmap(jax.vmap(lambda row: w.reshape(3, 8).T @ row))(x), [((35, 3), (8, 3))]),
    "weights first, rows of a matrix": (
        lambda x, w: jax.vmap(lambda row: w.reshape(3, 8).T @ row)(x[0]),
        [((7, 3), (8, 3))],
    ),
    "in a loop": (
        lambda x, w: lax.scan(lambda y, _: (jnp.tanh(y @ w.reshape(3, 8)[:, :3]), None), x, length=2)[0],
        [((35, 3), (3, 3))],
    ),
    "over an axis in the middle": (
        lambda x, w: jnp.einsum("bds,dhk->bshk", x.swapaxes(1, 2), w),
        [((5, 3, 7), (3, 2, 4))],
    ),
    "of each example": (lambda x, w: x @ x.swapaxes(1, 2), [((5, 7, 3), (5, 3, 7))]),
    "turned, and read elsewhere": (
        lambda x, w: (lambda y: y.transpose(1, 2, 0) + y.sum())(jnp.einsum("dn,bsd->nbs", w.reshape(3, 8), x)),
        [((3, 8), (5, 7, 3))],
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_rows_and_weights_have_two_axes(name):
    fn, factors = PRODUCTS[name]
    assert _products(fn, _ROWS, _WEIGHTS) == factors
    _agree(fn, _ROWS, _WEIGHTS, form="direct")
