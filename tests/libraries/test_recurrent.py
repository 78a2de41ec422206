"""PyTorch's recurrent layers as loops: outputs and gradients of PyTorch itself, whatever the layer's arguments."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

if importlib.util.find_spec("torchax") is None:
    pytest.skip("needs torchax", allow_module_level=True)
import torch

from engine.models.adapters import torch as adapter
from engine.models.jaxpr import equations

STEPS, INPUTS, HIDDEN, BATCH = 5, 3, 4, 6
KEY = jax.random.key(0, impl="threefry2x32")


def _net(kind, arguments, has_start):
    class Net(torch.nn.Module):
        """Gives everything that a layer gives, one after the other."""

        def __init__(self):
            super().__init__()
            self.layer = getattr(torch.nn, kind)(INPUTS, HIDDEN, **arguments)
            number = self.layer.num_layers * (2 if self.layer.bidirectional else 1)
            self.start = torch.nn.Parameter(torch.randn(number, 1, HIDDEN))

        def forward(self, x):
            x = x if self.layer.batch_first else x.transpose(0, 1)
            start = self.start.expand(-1, BATCH, -1).contiguous()
            given = ([start, start] if kind == "LSTM" else start,) if has_start else ()
            outputs, last = self.layer(x, *given)
            found = (outputs, *(last if kind == "LSTM" else (last,)))
            return torch.cat([part.flatten() for part in found])

    return Net


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    ("arguments", "has_start", "is_loop"),
    [
        ({"batch_first": True}, False, True),
        ({"num_layers": 2, "bidirectional": True}, True, True),
        ({"bias": False, "batch_first": True}, True, True),
        ({"num_layers": 2, "dropout": 0.5, "batch_first": True}, False, True),
    ],
)
def test_outputs_and_gradients_are_those_of_pytorch(kind, arguments, has_start, is_loop):
    _compare(_net(kind, arguments, has_start), is_loop)


def test_other_activations_and_projections_too():
    _compare(_net("RNN", {"nonlinearity": "relu", "batch_first": True}, True), is_loop=True)
    _compare(_net("LSTM", {"proj_size": 2, "batch_first": True}, False), is_loop=False)


def _compare(net, is_loop):
    model = adapter.adapt(net, (STEPS, INPUTS))
    params, state = jax.tree.map(jnp.asarray, model.written(3))
    inputs = np.random.default_rng(0).normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=10**4).astype(np.float32)

    def loss(params):
        outputs = model.batch_apply(params, state, jnp.asarray(inputs))
        return jnp.sum(outputs * weights[: outputs.size]), outputs

    traced = jax.make_jaxpr(lambda p: model.batch_apply(p, state, jnp.asarray(inputs)))(params)
    assert any(equation.primitive.name == "scan" for equation in equations(traced)) == is_loop
    grads, outputs = jax.jit(jax.grad(loss, has_aux=True))(params)
    torch.manual_seed(3)
    module = net().eval()
    expected = module(torch.from_numpy(inputs))
    np.testing.assert_allclose(outputs, expected.detach(), rtol=1e-5, atol=1e-6)
    (expected * torch.from_numpy(weights[: expected.numel()])).sum().backward()
    for name, parameter in module.named_parameters():
        found = grads
        for part in name.split("."):
            found = found[part]
        gradient = np.zeros_like(found) if parameter.grad is None else parameter.grad.numpy()
        np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-5)
