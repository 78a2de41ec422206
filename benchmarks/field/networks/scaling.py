"""Small networks of people whose inputs or targets had the wrong scale."""

import jax.numpy as jnp
from flax import linen as nn


class BiasFree(nn.Module):
    """Has one hidden layer of rectifiers and no bias anywhere."""

    num_classes: int = 10
    width: int = 96

    @nn.compact
    def __call__(self, x):
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
    def __call__(self, x):
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
    def __call__(self, x):
        """Returns predictions."""
        for _ in range(self.steps):
            x = nn.Dense(self.num_outputs)(x)
        return x


class Symbols(nn.Module):
    """Reads a sequence of whole numbers with a simple recurrent layer, as numbers or as symbols."""

    num_classes: int = 20
    symbols: int = 20
    one_hot: bool = False

    @nn.compact
    def __call__(self, x):
        """Returns logits."""
        steps = nn.one_hot(x.astype(jnp.int32), self.symbols) if self.one_hot else x[..., None]
        state = jnp.zeros((x.shape[0], 32))
        from_state, from_input = nn.Dense(32), nn.Dense(32, use_bias=False)
        for step in range(x.shape[1]):
            state = jnp.tanh(from_state(state) + from_input(steps[:, step]))
        return nn.Dense(self.num_classes)(state)


class Actor(nn.Module):
    """Looks at a picture with two convolutions, after a division of its own if asked for."""

    num_classes: int = 10
    divide: bool = False

    @nn.compact
    def __call__(self, x):
        """Returns logits."""
        if self.divide:
            x = x / 255.0
        for features in (8, 16):
            x = nn.elu(nn.Conv(features, (3, 3), strides=(2, 2))(x))
        x = nn.elu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes)(x)


class Tower(nn.Module):
    """Predicts values with hidden layers of one width and one activation."""

    num_outputs: int = 1
    width: int = 32
    layers: int = 2
    activation: str = "relu"

    @nn.compact
    def __call__(self, x):
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
    def __call__(self, x):
        """Returns predictions."""
        if self.normalise:
            x = nn.LayerNorm()(x)
        for _ in range(2):
            x = nn.gelu(nn.Dense(24)(x))
        return nn.Dense(self.num_outputs)(x)


class Listener(nn.Module):
    """Classifies a waveform with convolutions over time and a mean over it."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, x):
        """Returns logits."""
        x = x[..., None]
        for _ in range(2):
            x = nn.relu(nn.Conv(16, (9,), strides=(2,))(x))
        return nn.Dense(self.num_classes)(jnp.mean(x, axis=1))


class Gated(nn.Module):
    """Reads the frames of a sequence with a gated recurrent unit."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x):
        """Returns logits."""
        frames = x.reshape(x.shape[0], x.shape[1], -1)
        return nn.Dense(self.num_classes)(nn.RNN(nn.GRUCell(features=24))(frames)[:, -1])


class Policy(nn.Module):
    """Chooses an action from observations with two hidden layers of tanh units."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, x):
        """Returns logits."""
        for _ in range(2):
            x = jnp.tanh(nn.Dense(48)(x))
        return nn.Dense(self.num_classes)(x)
