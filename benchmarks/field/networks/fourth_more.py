"""Networks of cases of a fourth collection whose cause is the rate, the optimiser, the schedule or regularisation."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class Plain(nn.Module):
    """Convolves an image again and again without any normalisation, pools in between, and reads it by three layers."""

    num_classes: int = 10
    width: int = 12

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        for factor in (1, 2):
            for _ in range(2):
                x = nn.relu(nn.Conv(factor * self.width, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.relu(nn.Dense(32)(x))
        return nn.Dense(self.num_classes)(x)


class Joints(nn.Module):
    """Cuts an image into patches, lets them attend to each other and estimates where something is."""

    num_outputs: int = 2
    width: int = 24
    blocks: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the coordinates of a batch."""
        x = nn.Conv(self.width, (2, 2), (2, 2))(x).reshape(x.shape[0], -1, self.width)
        x += self.param("places", nn.initializers.normal(0.5), (x.shape[1], self.width))
        for _ in range(self.blocks):
            x += nn.MultiHeadDotProductAttention(num_heads=2)(nn.LayerNorm()(x))
            x += nn.Dense(self.width)(nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(self.num_outputs)(nn.LayerNorm()(x).mean(axis=1))


class Tagger(nn.Module):
    """Reads words by a plain recurrent network and gives the last of them a tag."""

    num_classes: int = 6
    num_words: int = 12
    width: int = 20

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        words = nn.Embed(self.num_words, 16)(x.astype(jnp.int32))
        states: Any = nn.RNN(nn.SimpleCell(self.width))(words)
        return nn.Dense(self.num_classes)(states[:, -1])


class Episodes(nn.Module):
    """Reads the examples of an episode with their labels, and one without, which it labels, by LSTM units."""

    num_classes: int = 2
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of episodes `[batch, examples, features and label]`."""
        states: Any = x
        for _ in range(2):
            states = nn.RNN(nn.LSTMCell(self.width))(states)
        return nn.Dense(self.num_classes)(states[:, -1])
