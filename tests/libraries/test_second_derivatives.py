"""Networks of PyTorch are differentiated twice, as the curvature of a loss asks for."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

if importlib.util.find_spec("torchax") is None:
    pytest.skip("needs torchax", allow_module_level=True)
import torch

from engine.models.adapters import torch as adapter


class Normalised(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
        )

    def forward(self, x):
        return self.layers(x)


def test_products_with_the_hessian_are_differences_of_gradients():
    """To the error of a central difference in single precision, about the cube root of a rounding."""
    model = adapter.adapt(Normalised, (6,))
    params, state = jax.tree.map(jnp.asarray, model.written(0))
    key = jax.random.key(0, impl="threefry2x32")
    inputs = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (16, 6)), jnp.float32)

    def loss(params):
        return jnp.mean(model.train_apply(params, state, inputs, key)[0] ** 2)

    leaves, tree = jax.tree.flatten(params)
    directions = jax.random.split(key, len(leaves))
    along = jax.tree.unflatten(tree, [jax.random.normal(k, p.shape) for k, p in zip(directions, leaves, strict=True)])
    flat = lambda tree: jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])  # noqa: E731

    def slope(params):
        return sum(
            jnp.vdot(g, v) for g, v in zip(jax.tree.leaves(jax.grad(loss)(params)), jax.tree.leaves(along), strict=True)
        )

    product = flat(jax.grad(slope)(params))
    step = 1e-3
    moved = [jax.tree.map(lambda p, v, s=sign * step: p + s * v, params, along) for sign in (1, -1)]
    difference = (flat(jax.grad(loss)(moved[0])) - flat(jax.grad(loss)(moved[1]))) / (2 * step)
    np.testing.assert_allclose(product, difference, atol=0.02 * float(jnp.abs(difference).max()))
