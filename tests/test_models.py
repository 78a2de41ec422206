"""One contract over every registered model, and the initial schemes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.arms.choices import options_of
from engine.errors import InputError
from engine.models import MODELS, SCHEMES, make_model, source_fingerprint
from engine.models.initial import draw_params, leaf_laws
from engine.studies.study import resolve_arm

CASES = [
    (name, batch_norm)
    for name in MODELS
    for batch_norm in (False, True)
    if not batch_norm or "batch_norm" in options_of("model", name)
]
SMALL = {"cnn8": {"conv_widths": (3, 3), "pool_after": (2,)}}
INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 8, 8, 1)), jnp.float32)
KEY = jax.random.key(0)


def _model(name, batch_norm, **fields):
    arm = resolve_arm(Arm(model=name, batch_norm=batch_norm, init="he", **fields))
    inputs = _inputs(name)
    model = make_model(arm, inputs.shape[1:], 10)
    params, state = model.init(KEY, inputs)
    return model, params, state


def _inputs(name):
    """Images, or tokens where a network takes these."""
    return jnp.arange(48).reshape(6, 8) % 10 if getattr(MODELS.load(name), "TAKES_TOKENS", False) else INPUTS


@pytest.mark.parametrize(("name", "batch_norm"), CASES)
def test_shapes_state_and_gradients(name, batch_norm):
    model, params, state = _model(name, batch_norm, **SMALL.get(name, {}))
    inputs = _inputs(name)
    outputs, new_state = model.train_apply(params, state, inputs, KEY)
    assert outputs.shape == ((6, 8, 10) if inputs.ndim == 2 else (6, 10))
    assert bool(state) == batch_norm
    assert jax.tree.structure(new_state) == jax.tree.structure(state)
    if batch_norm:
        changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state, new_state)
        assert all(jax.tree.leaves(changed))
    weights = jnp.asarray(np.random.default_rng(1).normal(size=outputs.shape))
    loss = lambda p: jnp.sum(weights * model.train_apply(p, state, inputs, KEY)[0] ** 2)  # noqa: E731
    norms = jax.tree.map(lambda g: float(jnp.abs(g).max()), jax.grad(loss)(params))
    # Under batch normalisation the bias before it has no effect, up to rounding.
    silent = [n for n in jax.tree.leaves(norms) if n == 0]
    assert not silent or batch_norm


@pytest.mark.parametrize(("name", "batch_norm"), CASES)
def test_evaluation_uses_the_statistics_that_it_says(name, batch_norm):
    model, params, state = _model(name, batch_norm, **SMALL.get(name, {}))
    inputs = _inputs(name)
    by_batch = model.batch_apply(params, state, inputs)
    by_average = model.average_apply(params, state, inputs)
    trained, _ = model.train_apply(params, state, inputs, KEY)
    np.testing.assert_allclose(by_batch, trained, atol=1e-6)
    assert bool(jnp.allclose(by_batch, by_average)) != batch_norm


def test_dropout_is_drawn_from_its_key_and_off_in_evaluation():
    model, params, state = _model("mlp", False, dropout=0.5)
    first, second = (model.train_apply(params, state, INPUTS, jax.random.key(k))[0] for k in (1, 2))
    again = model.train_apply(params, state, INPUTS, jax.random.key(1))[0]
    assert not bool(jnp.allclose(first, second))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(model.batch_apply(params, state, INPUTS), model.batch_apply(params, state, INPUTS))


def test_cnn8_is_the_network_of_the_question():
    _, params, _ = _model("cnn8", False)
    kernels = [leaf.shape for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    assert sum(len(shape) == 4 for shape in kernels) == 5
    assert sum(len(shape) == 2 for shape in kernels) == 3
    # 3×3 kernels on 1-16-16-32-32-32 channels; 2×2×32 units into 128, 64 and 10.
    weights = 9 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 32) + 128 * 128 + 128 * 64 + 64 * 10
    biases = 16 + 16 + 32 + 32 + 32 + 128 + 64 + 10
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == weights + biases


def test_pooling_after_a_layer_that_does_not_exist():
    with pytest.raises(InputError, match="the network has 2 convolutions"):
        make_model(resolve_arm(Arm(conv_widths=(4, 4), pool_after=(3,))), (8, 8, 1), 10)


def test_the_transformer_is_its_formula_one_example_at_a_time():
    fields = {"embedding_width": 6, "attention_heads": 2, "dense_widths": (5,)}
    arm = resolve_arm(Arm(model="transformer", init="torch", **fields))
    model = make_model(arm, (8, 8, 1), 4)
    inputs = np.random.default_rng(3).normal(size=(3, 2, 7)).astype(np.float32)
    params, _ = model.init(KEY, jnp.asarray(inputs))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == (
        (7 + 3) * 6 + 4 * 6 * 6 + 6 * 5 + 5 + 5 * 6 + 6 + 6 * 4
    )
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    attention = {name: p["attention"][name]["kernel"] for name in ("query", "key", "value", "out")}
    for example, found in zip(inputs, model.batch_apply(params, {}, inputs), strict=True):
        # Rows of the embedding: seven for what stands at a position, three for the positions.
        content, places = np.split(p["embedding"]["kernel"], [7])
        stream = np.concatenate([example @ content, np.zeros((1, 6))]) + places
        read = stream[-1].copy()
        for head in range(2):
            query, key, value = (attention[name][:, head] for name in ("query", "key", "value"))
            scores = (stream @ key) @ (stream[-1] @ query) / np.sqrt(3)
            shares = np.exp(scores) / np.exp(scores).sum()
            read += shares @ (stream @ value) @ attention["out"][head]
        hidden = np.maximum(read @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"], 0)
        read = read + hidden @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
        # Float32 sums of at most ten terms of order one.
        np.testing.assert_allclose(found, read @ p["unembedding"]["kernel"], atol=1e-5)


def test_heads_share_the_width_evenly():
    arm = resolve_arm(Arm(model="transformer", embedding_width=10, attention_heads=4))
    with pytest.raises(InputError, match="that the heads share evenly"):
        make_model(arm, (8, 8, 1), 10)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_has_a_source_fingerprint(name):
    assert len(source_fingerprint(Arm(model=name))) == 64


SHAPES = {
    "conv": {"kernel": jax.ShapeDtypeStruct((3, 3, 20, 50), jnp.float32)},
    "dense": {
        "kernel": jax.ShapeDtypeStruct((200, 100), jnp.float32),
        "bias": jax.ShapeDtypeStruct((5000,), jnp.float32),
    },
    "norm": {"scale": jax.ShapeDtypeStruct((7,), jnp.float32), "bias": jax.ShapeDtypeStruct((7,), jnp.float32)},
}


@pytest.mark.parametrize(
    ("scheme", "conv", "dense", "bias"),
    [
        ("normal", 0.3, 0.3, 0.3),
        ("he", np.sqrt(2 / 180), np.sqrt(2 / 200), 0.0),
        ("glorot", np.sqrt(2 / (180 + 450)), np.sqrt(2 / 300), 0.0),
        ("lecun", np.sqrt(1 / 180), np.sqrt(1 / 200), 0.0),
        ("torch", np.sqrt(1 / 540), np.sqrt(1 / 600), np.sqrt(1 / 600)),
    ],
)
def test_initial_schemes(scheme, conv, dense, bias):
    laws = leaf_laws(SHAPES, scheme, {"init_scale": 0.3} if scheme == "normal" else {})
    params = jax.jit(lambda key, laws: draw_params(key, SHAPES, laws))(KEY, laws)
    for leaf, expected in (
        (params["conv"]["kernel"], conv),
        (params["dense"]["kernel"], dense),
        (params["dense"]["bias"], bias),
    ):
        # The standard error of a sample standard deviation is σ/√(2n).
        assert float(jnp.std(leaf)) == pytest.approx(expected, abs=4 * expected / np.sqrt(2 * leaf.size))
    np.testing.assert_array_equal(params["norm"]["scale"], np.ones(7))
    np.testing.assert_array_equal(params["norm"]["bias"], np.zeros(7))
    assert scheme in SCHEMES


def test_a_constant_start_is_exactly_that():
    laws = leaf_laws(SHAPES, "constant", {"init_scale": 0.3})
    params = jax.jit(lambda key, laws: draw_params(key, SHAPES, laws))(KEY, laws)
    for part in ("conv", "dense"):
        np.testing.assert_array_equal(params[part]["kernel"], np.float32(0.3))
    np.testing.assert_array_equal(params["dense"]["bias"], 0.0)
    np.testing.assert_array_equal(params["norm"]["scale"], np.ones(7))
