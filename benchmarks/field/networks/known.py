"""Networks of the cases that were known first."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class Values(nn.Module):
    """Predicts values by two hidden layers; `is_positive` puts a ReLU behind the last one."""

    num_outputs: int
    is_positive: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        for width in (32, 32):
            x = nn.relu(nn.Dense(width)(x))
        values = nn.Dense(self.num_outputs)(x)
        return nn.relu(values) if self.is_positive else values


class Noisy(nn.Module):
    """Drops units after each of four hidden layers."""

    num_classes: int
    dropped: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(len(x), -1)
        for _ in range(4):
            x = nn.relu(nn.Dense(32)(x))
            x = nn.Dropout(self.dropped, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x)


def _with_short_gradient(outputs: jax.Array, longest: float) -> jax.Array:
    """Returns the outputs as they are; the gradient that comes back is no longer than `longest`."""

    @jax.custom_gradient
    def passed(values: jax.Array):  # type: ignore[no-untyped-def]
        def back(gradient: jax.Array) -> jax.Array:
            length = jnp.linalg.norm(gradient.ravel())
            return gradient * (longest / jnp.maximum(length, longest))

        return values, back

    return passed(outputs)


class Clipped(nn.Module):
    """Clips the gradient where it enters the network, unless `longest` is 0."""

    num_classes: int
    longest: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(len(x), -1)
        for width in (64, 64):
            x = nn.relu(nn.Dense(width)(x))
        logits = nn.Dense(self.num_classes)(x)
        return _with_short_gradient(logits, self.longest) if self.longest else logits
