"""Small networks of people whose inputs or targets had the wrong scale."""

import jax
from flax import linen as nn


class BiasFree(nn.Module):
    """Has one hidden layer of rectifiers and no bias anywhere."""

    num_classes: int = 10
    width: int = 96

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns logits."""
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.width, use_bias=False)(x))
        return nn.Dense(self.num_classes, use_bias=False)(x)


class Sigmoids(nn.Module):
    """Has sigmoid units in every hidden layer."""

    num_classes: int = 2
    units: int = 12
    layers: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns logits."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = nn.sigmoid(nn.Dense(self.units)(x))
        return nn.Dense(self.num_classes)(x)


class Linear(nn.Module):
    """Maps inputs to outputs in one or more linear steps of one unit each."""

    num_outputs: int = 1
    steps: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns predictions."""
        for _ in range(self.steps):
            x = nn.Dense(self.num_outputs)(x)
        return x


class Tower(nn.Module):
    """Predicts values with hidden layers of one width and one activation."""

    num_outputs: int = 1
    width: int = 32
    layers: int = 2
    activation: str = "relu"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns predictions."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = getattr(nn, self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(self.num_outputs)(x)


class Column(nn.Module):
    """Predicts a value from one column, which it normalises over the features of an example if asked to."""

    num_outputs: int = 1
    normalise: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns predictions."""
        if self.normalise:
            x = nn.LayerNorm()(x)
        for _ in range(2):
            x = nn.gelu(nn.Dense(24)(x))
        return nn.Dense(self.num_outputs)(x)
