"""Small networks of people whose data, pipeline, regularisation or schedule kept them from learning."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class Pictures(nn.Module):
    """Convolves an image, pools twice and reads it; with `blank` every image is first multiplied by a mask of zeros."""

    num_classes: int = 10
    width: int = 8
    blank: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        mask = jnp.zeros(x.shape[1:]) if self.blank else jnp.ones(x.shape[1:])
        x = x * mask
        for factor in (1, 2):
            x = nn.max_pool(nn.relu(nn.Conv(factor * self.width, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes)(x)


class Windows(nn.Module):
    """Convolves windows `[time, channels]`, keeps the largest of each feature and reads them."""

    num_classes: int = 3
    width: int = 12

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        for _ in range(2):
            x = nn.relu(nn.Conv(self.width, (5,))(x))
            x = nn.max_pool(x, (2,), (2,))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(24)(x.reshape(x.shape[0], -1))))


class Units(nn.Module):
    """Dense layers of one width and one activation before logits."""

    num_classes: int = 6
    width: int = 24
    layers: int = 1
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = getattr(nn, self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(self.num_classes)(x)


class Values(nn.Module):
    """Dense layers of one width and one activation before values."""

    num_outputs: int = 1
    width: int = 24
    layers: int = 2
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = getattr(nn, self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(self.num_outputs)(x)


class Past(nn.Module):
    """Reads a window of several series by gated units and predicts values from the last state."""

    num_outputs: int = 1
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        states: Any = nn.RNN(nn.GRUCell(self.width))(x)
        return nn.Dense(self.num_outputs)(states[:, -1])


class Stack(nn.Module):
    """Reads a sequence of numbers by layers of LSTM units, one on top of the other."""

    num_classes: int = 2
    width: int = 15
    layers: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        states: Any = x
        for _ in range(self.layers):
            states = nn.RNN(nn.LSTMCell(self.width))(states)
        return nn.Dense(self.num_classes)(states[:, -1])


class Columns(nn.Module):
    """Attends over the columns of a row and reads the last one; as if the sequence came first without `batch_first`."""

    num_classes: int = 4
    num_symbols: int = 12
    width: int = 24
    batch_first: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        places = self.param("places", nn.initializers.normal(1.0), (x.shape[1], self.width))
        x = nn.Embed(self.num_symbols, self.width, embedding_init=nn.initializers.normal(1.0))(x.astype(int)) + places
        for _ in range(2):
            inner = x if self.batch_first else x.swapaxes(0, 1)
            inner = nn.MultiHeadDotProductAttention(num_heads=2)(inner)
            x = nn.LayerNorm()(x + (inner if self.batch_first else inner.swapaxes(0, 1)))
            x = nn.LayerNorm()(x + nn.Dense(self.width)(nn.relu(nn.Dense(2 * self.width)(x))))
        return nn.Dense(self.num_classes)(x[:, -1])


class Normed(nn.Module):
    """Normalises over the batch after every dense layer."""

    num_classes: int = 10
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.Dense(self.width, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(self.num_classes)(x)
