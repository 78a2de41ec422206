"""The networks in Flax."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class Residual(nn.Module):
    """A stem and three blocks of 16, 32 and 32 channels, with batch statistics, read by the mean of the image."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""

        def normalise(x: Any) -> Any:
            return nn.BatchNorm(use_running_average=False)(x)

        x = nn.relu(normalise(nn.Conv(16, (3, 3), use_bias=False)(x)))
        for width, stride in ((16, 1), (32, 2), (32, 1)):
            y = nn.relu(normalise(nn.Conv(width, (3, 3), (stride, stride), ((1, 1), (1, 1)), use_bias=False)(x)))
            y = normalise(nn.Conv(width, (3, 3), use_bias=False)(y))
            if x.shape != y.shape:
                x = normalise(nn.Conv(width, (1, 1), (stride, stride), use_bias=False)(x))
            x = nn.relu(x + y)
        return nn.Dense(10)(x.mean((1, 2)))


class Attention(nn.Module):
    """Rows of an image as tokens, and two blocks of four heads, normalised after each part."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        x = nn.Dense(32)(x.reshape(-1, 8, 8)) + self.param("positions", nn.initializers.normal(0.02), (1, 8, 32))
        for _ in range(2):
            x = nn.LayerNorm()(x + nn.MultiHeadDotProductAttention(4)(x, x))
            x = nn.LayerNorm()(x + nn.Dense(32)(nn.relu(nn.Dense(64)(x))))
        return nn.Dense(10)(x.mean(1))


class Recurrent(nn.Module):
    """Rows of an image as steps of a long short-term memory."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        hidden: Any = nn.RNN(nn.OptimizedLSTMCell(32))(jnp.reshape(x, (-1, 8, 8)))
        return nn.Dense(10)(hidden[:, -1])
