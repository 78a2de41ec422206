"""Networks of a third collection; a switch turns each mistake on or off."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers


class Cells(nn.Module):
    """Reads a series and predicts by what one cell holds in the end, or by a linear layer on all of them."""

    num_outputs: int = 1
    width: int = 24
    linear: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        states: Any = nn.RNN(nn.LSTMCell(self.width))(x)
        last = states[:, -1]
        return nn.Dense(self.num_outputs)(last) if self.linear else last[:, : self.num_outputs]


class Siamese(nn.Module):
    """Encodes both signatures of a pair alike and judges them by their distance."""

    num_outputs: int = 1
    floor: float = 0.01

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns how likely both are by the same hand, for pairs `[batch, 2, features]`."""
        for width in (32, 16):
            x = nn.relu(nn.Dense(width)(x))
        squares = jnp.square(x[:, 0] - x[:, 1]).sum(axis=-1, keepdims=True)
        return nn.Dense(self.num_outputs)(jnp.sqrt(squares + self.floor))


class Padded(nn.Module):
    """Attends over the words of a text, of which zeros are padding that gets no weight."""

    num_classes: int = 3
    masked: float = -1e8
    width: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        is_padding = x == 0
        words = nn.Embed(20, self.width)(x.astype(jnp.int32))
        queries, keys, values = (nn.Dense(self.width)(words) for _ in range(3))
        scores = queries @ keys.swapaxes(1, 2) / self.width**0.5
        weights = nn.softmax(jnp.where(is_padding[:, None], self.masked, scores))
        words = nn.relu(nn.Dense(self.width)(weights @ values))
        return nn.Dense(self.num_classes)(words.mean(axis=1))


class Candidates(nn.Module):
    """Scores candidates for an example; its features are repeated for each, in the order of candidates or another."""

    num_outputs: int = 4
    interleaved: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the scores, for inputs that hold the features and then the candidates, `[batch, 1 + 4, size]`."""
        features, candidates = x[:, 0], x[:, 1:]
        count = candidates.shape[1]
        repeated = jnp.repeat(features, count, axis=0) if self.interleaved else jnp.tile(features, (count, 1))
        pairs = jnp.concatenate([repeated, candidates.reshape(-1, x.shape[-1])], axis=1)
        for width in (48, 24):
            pairs = nn.relu(nn.Dense(width)(pairs))
        return nn.Dense(1)(pairs).reshape(-1, count)


class Rebuilt(nn.Module):
    """Estimates parameters; when it was built anew, the optimiser went on with the weights of the old network."""

    num_outputs: int = 2
    stale: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the estimates of a batch."""
        for i, width in enumerate((32, 32, self.num_outputs)):
            shape = (x.shape[-1], width)
            weights = self.param(f"weights{i}", initializers.lecun_normal(), shape)
            biases = self.param(f"biases{i}", initializers.zeros, (width,))
            if self.stale:
                weights = jax.lax.stop_gradient(weights)
                biases = jax.lax.stop_gradient(biases) if i < 2 else biases
            x = x @ weights + biases
            x = nn.relu(x) if i < 2 else x
        return x


class Questions(nn.Module):
    """Reads the words of a question and takes what is left after the padding, or after the last word."""

    num_classes: int = 4
    at_the_word: bool = True
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        lengths = (x > 0).sum(axis=1)
        words = nn.Embed(24, 12)(x.astype(jnp.int32))
        states: Any = nn.RNN(nn.LSTMCell(self.width))(words)
        last = jnp.maximum(lengths - 1, 0) if self.at_the_word else jnp.full_like(lengths, x.shape[1] - 1)
        return nn.Dense(self.num_classes)(jnp.take_along_axis(states, last[:, None, None], axis=1)[:, 0])


class Uniform(nn.Module):
    """Layers of sigmoids whose weights start between 0 and 1, or from a standard normal distribution."""

    num_classes: int = 10
    normal: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        start = initializers.normal(1.0) if self.normal else initializers.uniform(1.0)
        x = x.reshape(x.shape[0], -1)
        for width in (64, 48):
            x = nn.sigmoid(nn.Dense(width, kernel_init=start)(x))
        return nn.Dense(self.num_classes, kernel_init=start)(x)


class Finer(nn.Module):
    """Draws an image of twice the size from a coarse one."""

    num_outputs: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the pixels of a batch, row by row."""
        x = x.reshape(x.shape[0], -1)
        for width in (48, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_outputs)(x)
