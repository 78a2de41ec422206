"""What enters the layers of a network, found in its trace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from engine.arms.arm import Arm
from engine.models import make_model
from engine.models.initial import leaf_names
from engine.studies.study import resolve_arm
from engine.training.probes.recording import record
from tests.conftest import small_arm

_INPUTS = jax.random.normal(jax.random.key(5), (6, 8, 8, 1))
_OWN = "tests.own.networks"
_EXPECTED = {
    "mlp": (small_arm(), ("Dense_0", "Dense_1"), {"Dense_0"}),
    "cnn8": (
        Arm(conv_widths=(4, 4), pool_after=(1,), dense_widths=(8,), batch_norm=True),
        ("Conv_0", "Conv_1", "DenseStack_0/Dense_0", "DenseStack_0/Dense_1"),
        {"Conv_0"},
    ),
    "resnet": (Arm(model=f"{_OWN}:ResNet4"), ("Conv_0", "Block_0/Conv_0", "Block_0/Conv_1", "Dense_0"), {"Conv_0"}),
    "nnx": (Arm(model=f"{_OWN}:CNN"), ("conv", "blocks/0", "head"), {"conv"}),
}


def _recorded(arm: Arm):
    model = make_model(resolve_arm(arm), (8, 8, 1), 10)
    shapes = jax.eval_shape(model.init, jax.random.key(0), _INPUTS[:1])
    inputs = jax.ShapeDtypeStruct(_INPUTS.shape, _INPUTS.dtype)
    recording = record(model.batch_apply, leaf_names(shapes[0]), *shapes, inputs)
    _, entering = jax.eval_shape(recording.run, *shapes, inputs)
    return recording, jax.eval_shape(lambda e: _values(recording.read(e)), entering)


def _values(found):
    return {name: entry.values for name, entry in found.items()}


@pytest.mark.parametrize("name", list(_EXPECTED))
def test_weighted_layers_are_found_whatever_a_network_is_made_of(name):
    arm, layers, of_data = _EXPECTED[name]
    recording, found = _recorded(arm)
    assert recording.layers == layers
    assert recording.data_layers == of_data
    assert found.keys() == set(layers)
    (first,) = of_data
    num_examples, num_positions, num_features = found[first].shape
    assert (num_examples, num_positions * num_features) == (6, 64)


def test_the_attention_of_a_transformer_is_no_layer_but_its_projections_are():
    recording, found = _recorded(Arm(model=f"{_OWN}:VisionTransformer"))
    attention = "MultiHeadDotProductAttention_0"
    names = {f"{attention}/{name}" for name in ("query", "key", "value", "out")}
    assert names | {"Conv_0", "Dense_0", "Dense_1", "Dense_2"} == set(recording.layers)
    # Examples, the 16 patches, and two heads of four units.
    assert found[f"{attention}/out"].shape == (6, 16, 8)


def test_what_enters_is_what_the_layer_before_has_left():
    model = make_model(resolve_arm(small_arm()), (8, 8, 1), 10)
    params, state = model.init(jax.random.key(0), _INPUTS[:1])
    inputs = jax.ShapeDtypeStruct(_INPUTS.shape, _INPUTS.dtype)
    recording = record(model.batch_apply, leaf_names(params), params, state, inputs)
    outputs, entering = jax.jit(recording.run)(params, state, _INPUTS)
    np.testing.assert_array_equal(outputs, jax.jit(model.batch_apply)(params, state, _INPUTS))
    found = recording.read(entering)
    np.testing.assert_array_equal(found["Dense_0"].values[:, 0], _INPUTS.reshape(6, -1))
    hidden = jnp.maximum(0, _INPUTS.reshape(6, -1) @ params["Dense_0"]["kernel"])
    np.testing.assert_allclose(found["Dense_1"].values[:, 0], hidden, rtol=1e-5, atol=1e-6)


def test_weights_that_are_used_twice_are_two_layers():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x):
            layer = nn.Dense(64)
            return nn.Dense(10)(layer(layer(x.reshape(x.shape[0], -1))))

    module = Twice()
    params = module.init(jax.random.key(0), _INPUTS)["params"]
    shapes = jax.eval_shape(lambda tree: tree, params)
    inputs = jax.ShapeDtypeStruct(_INPUTS.shape, _INPUTS.dtype)
    apply = lambda params, state, x: module.apply({"params": params}, x)  # noqa: E731
    recording = record(apply, leaf_names(params), shapes, {}, inputs)
    assert recording.layers == ("Dense_0", "Dense_0#2", "Dense_1")


def test_layers_inside_of_a_loop_are_not_found():
    def apply(params, state, x):
        h = x.reshape(x.shape[0], -1)
        h, _ = jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), h, params["deep"])
        return h @ params["out"]

    params = {"deep": jnp.ones((3, 64, 64)), "out": jnp.ones((64, 10))}
    inputs = jax.ShapeDtypeStruct(_INPUTS.shape, _INPUTS.dtype)
    recording = record(apply, leaf_names(params), params, {}, inputs)
    assert recording.layers == ("out",)
