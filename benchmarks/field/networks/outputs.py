"""Networks whose outputs, or whose gradients, are not what their authors meant; a switch turns each mistake off."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

_ENDS = {
    "linear": lambda x: x,
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "softmax": nn.softmax,
    "softmax_over_batch": lambda x: nn.softmax(x, axis=0),
    "tanh": jnp.tanh,
}
_ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "tanh": jnp.tanh}


class Ended(nn.Module):
    """Dense layers with something at the end."""

    num_outputs: int = 10
    end: str = "linear"
    hidden: int = 32
    depth: int = 2
    activation: str = "relu"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.depth):
            x = _ACTIVATIONS[self.activation](nn.Dense(self.hidden)(x))
        return _ENDS[self.end](nn.Dense(self.num_outputs)(x))


class SmallImages(nn.Module):
    """Two convolutions and a dense layer, with something at the end."""

    num_classes: int = 10
    end: str = "linear"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        x = nn.max_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.max_pool(nn.relu(nn.Conv(16, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return _ENDS[self.end](nn.Dense(self.num_classes)(x))


def _last_state(rows: jax.Array, time_major: bool = False) -> jax.Array:
    """Returns the state of a recurrent network at the end of the second axis."""
    states: Any = nn.RNN(nn.SimpleCell(24), time_major=time_major)(rows)
    return states[:, -1]


class BothWays(nn.Module):
    """Reads the rows of an image downwards and upwards; the two last states are joined, or only reshaped."""

    num_classes: int = 10
    joined: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        rows = x.reshape(x.shape[0], x.shape[1], -1)
        states = [_last_state(each) for each in (rows, rows[:, ::-1])]
        reshaped = jnp.stack(states).reshape(rows.shape[0], -1)
        return nn.Dense(self.num_classes)(jnp.concatenate(states, axis=1) if self.joined else reshaped)


class Frames(nn.Module):
    """Embeds the frames of a film and reads them one after the other; without `batch_first` it reads across films."""

    num_classes: int = 4
    batch_first: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        x = nn.relu(nn.Dense(32)(x.reshape(*x.shape[:2], -1)))
        x = _last_state(x, time_major=not self.batch_first)
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(32)(x)))


class Detached(nn.Module):
    """An encoder and a linear head that reads its features, which are detached from the encoder by mistake."""

    num_classes: int = 2
    detached: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for width in (32, 24, 6):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_classes)(jax.lax.stop_gradient(x) if self.detached else x)


class Listed(nn.Module):
    """Hidden layers in a list; those that were not registered get no updates, and the classifier alone is trained."""

    num_classes: int = 3
    registered: bool = True
    depth: int = 4
    width: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for i in range(self.depth):
            weights = self.param(f"weights{i}", nn.initializers.he_uniform(), (x.shape[-1], self.width))
            biases = self.param(f"biases{i}", nn.initializers.zeros, (self.width,))
            if not self.registered:
                weights, biases = jax.lax.stop_gradient((weights, biases))
            x = jnp.tanh(x @ weights + biases)
        return nn.Dense(self.num_classes)(x)


class Routed(nn.Module):
    """A first network chooses one of some codes, a second network reads the choice, or the shares of all codes."""

    num_classes: int = 4
    codes: int = 6
    chosen: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        scores = nn.Dense(self.codes)(nn.relu(nn.Dense(32)(x)))
        x = jax.nn.one_hot(jnp.argmax(scores, axis=-1), self.codes) if self.chosen else nn.softmax(scores)
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(32)(x)))


@jax.custom_vjp
def _to_norm(x: jax.Array, most: float) -> jax.Array:
    """Returns `x`; its gradient is multiplied by `most` over its norm where that is below one."""
    return x


_to_norm.defvjp(
    lambda x, most: (x, most), lambda most, g: (g * jnp.minimum(1.0, most / (jnp.linalg.norm(g) + 1e-6)), None)
)


@jax.custom_vjp
def _scaled(x: jax.Array, factor: float) -> jax.Array:
    """Returns `x`; its gradient is multiplied by a factor."""
    return x


_scaled.defvjp(lambda x, factor: (x, factor), lambda factor, g: (g * factor, None))


class Clipped(nn.Module):
    """A regression whose gradient is clipped to a norm."""

    num_outputs: int = 2
    most: float = 1.0
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for _ in range(2):
            x = jnp.tanh(nn.Dense(self.width)(x))
        return _to_norm(nn.Dense(self.num_outputs)(x), self.most)


class AccuracyMap(nn.Module):
    """Predicts a map from an image; its loss layer divides the gradient by `count`."""

    num_outputs: int = 16
    count: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for width in (8, 8):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
        x = nn.Conv(1, (3, 3), strides=(2, 2))(x).reshape(x.shape[0], -1)
        return _scaled(x, 1.0 / self.count)


class Cosine(nn.Module):
    """A classifier of angles: the logits are cosines times a scale."""

    num_classes: int = 40
    scale: float = 16.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        x = nn.Dense(24)(nn.relu(nn.Dense(48)(x)))
        weights = self.param("weights", nn.initializers.xavier_normal(), (24, self.num_classes))
        x = x / (jnp.linalg.norm(x, axis=1, keepdims=True) + 1e-6)
        return self.scale * x @ (weights / jnp.linalg.norm(weights, axis=0))


class Adapted(nn.Module):
    """Frozen layers with trained adapters of low rank, the product of two matrices; the second starts at zero."""

    num_classes: int = 10
    both_zero: bool = False
    rank: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        x = x.reshape(x.shape[0], -1)
        first = nn.initializers.zeros if self.both_zero else nn.initializers.he_normal()
        for i, width in enumerate((48, 48, self.num_classes)):
            base = self.param(f"base{i}", nn.initializers.lecun_normal(), (x.shape[-1], width))
            down = self.param(f"down{i}", first, (x.shape[-1], self.rank))
            up = self.param(f"up{i}", nn.initializers.zeros, (self.rank, width))
            x = x @ jax.lax.stop_gradient(base) + x @ down @ up
            x = nn.relu(x) if i < 2 else x
        return x + self.param("bias", nn.initializers.zeros, (self.num_classes,))
