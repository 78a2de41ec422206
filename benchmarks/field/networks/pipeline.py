"""Networks of set-ups whose mistake lies in regularisation, augmentation or precision."""

import jax
import jax.numpy as jnp
from flax import linen as nn


def _rounded(x: jax.Array, is_half: bool) -> jax.Array:
    """Rounds to half precision as hardware does: compilers may leave out two casts in a row."""
    return jax.lax.reduce_precision(x, exponent_bits=5, mantissa_bits=10) if is_half else x


class Head(nn.Module):
    """Lays a small head on features, with dropout before its output."""

    num_classes: int = 2
    width: int = 24
    rate: float = 0.2

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the outputs for a batch."""
        x = nn.relu(nn.Dense(self.width)(x.reshape(x.shape[0], -1)))
        x = nn.Dropout(self.rate, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x)


class Regressor(nn.Module):
    """Predicts numbers from a few features."""

    num_outputs: int = 1
    widths: tuple[int, ...] = (32, 32)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs for a batch."""
        for width in self.widths:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(self.num_outputs)(x)


class Normed(nn.Module):
    """Scales each example to unit length, in half precision where `half` is set."""

    num_classes: int = 10
    half: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs for a batch."""
        x = x.reshape(x.shape[0], -1)
        squares = jnp.sum(x * x, axis=-1, keepdims=True)
        x = 8 * x * jax.lax.rsqrt(_rounded(squares, self.half) + 1e-3)
        x = nn.gelu(nn.Dense(48)(x))
        return nn.Dense(self.num_classes)(x)


class Kernel(nn.Module):
    """Reads normalised exponential features of the inputs, in half precision where `half` is set."""

    num_classes: int = 3
    num_features: int = 48
    half: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs for a batch."""
        x = x.reshape(x.shape[0], -1)
        weights = self.param("weights", nn.initializers.normal(0.5), (x.shape[-1], self.num_features))
        features = _rounded(jnp.exp(x @ weights - jnp.sum(x * x, axis=-1, keepdims=True)), self.half)
        features = self.num_features * features / (jnp.sum(features, axis=-1, keepdims=True) + 1e-25)
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(32)(features)))


class Clock(nn.Module):
    """Predicts from a count of hours, by way of its daily and its yearly cycle."""

    num_outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs for a batch."""
        phases = 2 * jnp.pi * x.reshape(-1, 1) / jnp.asarray([24.0, 8760.0], x.dtype)
        x = jnp.concatenate([jnp.sin(phases), jnp.cos(phases)], axis=-1)
        for _ in range(2):
            x = nn.relu(nn.Dense(24)(x))
        return nn.Dense(self.num_outputs)(x)
