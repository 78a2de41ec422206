"""The network in Haiku."""

import haiku as hk
import jax


class Net(hk.Module):
    """Starts as Haiku's layers do."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        for i, width in enumerate((16, 16, 32, 32, 32)):
            x = jax.nn.relu(hk.Conv2D(width, 3)(x))
            if i in (1, 3):
                x = hk.max_pool(x, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return hk.nets.MLP([128, 64, 10])(hk.Flatten()(x))


class Residual(hk.Module):
    """A stem and three blocks of 16, 32 and 32 channels, with batch statistics, read by the mean of the image."""

    def __call__(self, x: jax.Array, is_training: bool) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""

        def conv(x: jax.Array, width: int, side: int, stride: int = 1) -> jax.Array:
            x = hk.Conv2D(width, side, stride, with_bias=False)(x)
            return hk.BatchNorm(True, True, 0.9)(x, is_training)

        x = jax.nn.relu(conv(x, 16, 3))
        for width, stride in ((16, 1), (32, 2), (32, 1)):
            y = conv(jax.nn.relu(conv(x, width, 3, stride)), width, 3)
            x = conv(x, width, 1, stride) if x.shape != y.shape else x
            x = jax.nn.relu(x + y)
        return hk.Linear(10)(x.mean((1, 2)))


class Attention(hk.Module):
    """Rows of an image as tokens, and two blocks of four heads, normalised after each part."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        positions = hk.get_parameter("positions", (1, 8, 32), init=hk.initializers.RandomNormal(0.02))
        x = hk.Linear(32)(x.reshape(-1, 8, 8)) + positions
        for _ in range(2):
            scale = hk.initializers.VarianceScaling(1.0)
            x = hk.LayerNorm(-1, True, True)(x + hk.MultiHeadAttention(4, 8, w_init=scale)(x, x, x))
            x = hk.LayerNorm(-1, True, True)(x + hk.nets.MLP([64, 32])(x))
        return hk.Linear(10)(x.mean(1))


class Recurrent(hk.Module):
    """Rows of an image as steps of a long short-term memory."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        cell, rows = hk.LSTM(32), x.reshape(-1, 8, 8)
        hidden, _ = hk.dynamic_unroll(cell, rows, cell.initial_state(len(rows)), time_major=False)
        return hk.Linear(10)(hidden[:, -1])
