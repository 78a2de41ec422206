"""Networks of the cases of a fourth collection about networks; most switches turn a mistake on or off."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers


class Answering(nn.Module):
    """Attends to the symbols before each one, and answers at one place of the sequence."""

    num_classes: int = 4
    num_symbols: int = 20
    width: int = 24
    place: int = -1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of sequences of symbols."""
        length = x.shape[1]
        places = self.param("places", initializers.normal(0.1), (length, self.width))
        x = nn.Embed(self.num_symbols, self.width)(x.astype(jnp.int32)) + places
        mask = jnp.tril(jnp.ones((1, 1, length, length), bool))
        for _ in range(2):
            x += nn.MultiHeadDotProductAttention(num_heads=2)(nn.LayerNorm()(x), mask=mask)
            x += nn.Dense(self.width)(nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(self.num_classes)(nn.LayerNorm()(x)[:, self.place])


class Shrinking(nn.Module):
    """Halves an image until one place is left, and normalises every channel of an example over its places."""

    num_classes: int = 10
    width: int = 12
    to_the_end: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of images."""
        for factor in (1, 2, 3):
            x = nn.Conv(factor * self.width, (3, 3), strides=(2, 2))(x)
            if x.shape[1] > 1 or self.to_the_end:
                x = nn.GroupNorm(num_groups=None, group_size=1)(x)
            x = nn.relu(x)
        return nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1))


class Decoded(nn.Module):
    """Encodes an image and decodes it by layers that are part of the network, or made anew whenever it is called."""

    num_classes: int = 10
    width: int = 32
    anew: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the logits of a batch of images."""
        x = nn.relu(nn.Dense(self.width)(x.reshape(x.shape[0], -1)))
        for i in range(2):
            x = nn.relu(self._layer(f"decoder{i}", x, self.width, train))
        return self._layer("head", x, self.num_classes, train)

    def _layer(self, name: str, x: jax.Array, width: int, train: bool) -> jax.Array:
        """Returns the outputs of a layer of the decoder."""
        start, shape = initializers.lecun_normal(), (x.shape[-1], width)
        if not self.anew:
            return x @ self.param(name, start, shape)
        key = self.make_rng("dropout") if train else jax.random.key(len(name))
        return x @ start(key, shape)


class Neighbours(nn.Module):
    """Mixes what a node holds with the mean of all that are linked to it, layer after layer; here all are linked."""

    num_outputs: int = 16
    width: int = 24
    layers: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns a value for every node of a batch `[batch, nodes, features]`."""
        nodes = x.shape[1]
        links = (jnp.eye(nodes) + jnp.full((nodes, nodes), 1 / nodes)) / 2
        for _ in range(self.layers):
            x = nn.relu(links @ nn.Dense(self.width)(x))
        return nn.Dense(1)(x)[..., 0]


class Verdict(nn.Module):
    """Convolves two layers of a picture and ends in one unit, with a softmax or a sigmoid after it."""

    num_outputs: int = 1
    end: str = "sigmoid"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns how likely a picture is one."""
        for width in (8, 12):
            x = nn.relu(nn.Conv(width, (3, 3), padding="VALID")(x))
        return getattr(nn, self.end)(nn.Dense(self.num_outputs)(x.reshape(x.shape[0], -1)))


class Adding(nn.Module):
    """Reads a sequence by LSTM units and predicts a value from the last state."""

    num_outputs: int = 1
    width: int = 20

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        states: Any = nn.RNN(nn.LSTMCell(self.width))(x)
        return nn.Dense(self.num_outputs)(states[:, -1])


class Dilated(nn.Module):
    """Convolves a sequence with steps of 1, 2, 4 and so on, each place with what lies before it, and reads the last."""

    num_classes: int = 2
    width: int = 12
    layers: int = 6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of sequences `[batch, time, channels]`."""
        x = nn.Dense(self.width)(x)
        for i in range(self.layers):
            x += nn.relu(nn.Conv(self.width, (2,), kernel_dilation=(2**i,), padding="CAUSAL")(x))
        return nn.Dense(self.num_classes)(x[:, -1])


class Spirals(nn.Module):
    """Dense layers of tanh units before logits."""

    num_classes: int = 2
    width: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of points."""
        for _ in range(2):
            x = nn.tanh(nn.Dense(self.width)(x))
        return nn.Dense(self.num_classes)(x)
