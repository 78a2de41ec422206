"""Networks of the cases of a fourth collection whose cause is in the data; most switches turn a mistake on or off."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class Regions(nn.Module):
    """Convolves an image with strides and predicts where the object in it lies."""

    num_outputs: int = 4
    width: int = 8

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the coordinates of a batch."""
        for factor in (1, 2):
            x = nn.relu(nn.Conv(factor * self.width, (3, 3), strides=(2, 2))(x))
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_outputs)(x)


class Lights(nn.Module):
    """Tells the colour of a light; with `hue` the colours of each image are turned by a random angle in training."""

    num_classes: int = 3
    hue: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the logits of a batch of images `[batch, height, width, 3]`."""
        if self.hue and train:
            x = self._turned(x)
        for width in (8, 12):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Dense(24)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes)(x)

    def _turned(self, x: jax.Array) -> jax.Array:
        """Turns the colours of each image about the axis of grey."""
        angle = jax.random.uniform(self.make_rng("dropout"), (x.shape[0], 1, 1, 1), maxval=2 * jnp.pi)
        grey = x.mean(axis=-1, keepdims=True)
        across = (jnp.roll(x, 1, axis=-1) - jnp.roll(x, -1, axis=-1)) / 3**0.5
        return grey + jnp.cos(angle) * (x - grey) + jnp.sin(angle) * across


class Words(nn.Module):
    """Convolves the words of a text and keeps the largest of each feature."""

    num_classes: int = 4
    num_words: int = 60
    width: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of texts `[batch, words]`."""
        x = nn.Embed(self.num_words, self.width)(x.astype(jnp.int32))
        x = nn.relu(nn.Conv(24, (3,))(x)).max(axis=1)
        return nn.Dense(self.num_classes)(x)


class Table(nn.Module):
    """Embeds each column of codes and reads them all by dense layers."""

    num_classes: int = 3
    num_codes: int = 120
    width: int = 8

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of rows."""
        columns = [nn.Embed(self.num_codes, self.width)(x[:, i].astype(jnp.int32)) for i in range(x.shape[1])]
        x = nn.relu(nn.Dense(32)(jnp.concatenate(columns, axis=-1)))
        return nn.Dense(self.num_classes)(x)


class Sorted(nn.Module):
    """Reads sentences that are sorted by their length, as a packed batch is, and puts them back or does not."""

    num_classes: int = 4
    num_words: int = 30
    width: int = 20
    restored: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of sentences with zeros after them."""
        lengths = (x > 0).sum(axis=1)
        order = jnp.argsort(-lengths)
        words = nn.Embed(self.num_words, self.width)(x[order].astype(jnp.int32))
        cell = nn.GRUCell(self.width)
        state = jnp.zeros((x.shape[0], self.width))
        for time in range(x.shape[1]):
            new, _ = cell(state, words[:, time])
            state = jnp.where((time < lengths[order])[:, None], new, state)
        logits = nn.Dense(self.num_classes)(state)
        return logits[jnp.argsort(order)] if self.restored else logits
