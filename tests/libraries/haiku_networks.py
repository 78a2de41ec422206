"""Networks of Haiku as people write them, for one run, on images of 8×8 numbers."""

import haiku as hk
import jax
import jax.numpy as jnp


class CNN(hk.Module):
    """Normalisation and dropout."""

    def __init__(self, num_classes=10, dropout=0.0, name=None):
        super().__init__(name)
        self.num_classes, self.dropout = num_classes, dropout

    def __call__(self, x, is_training):
        x = hk.BatchNorm(True, True, 0.9)(hk.Conv2D(8, 3)(x), is_training)
        x = hk.MaxPool(2, 2, "VALID")(jax.nn.relu(x))
        x = hk.Flatten()(jax.nn.relu(hk.Conv2D(16, 3)(x)))
        if is_training and self.dropout:
            x = hk.dropout(hk.next_rng_key(), self.dropout, x)
        return hk.Linear(self.num_classes)(x)


def _resnet(x, is_training):
    norm = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
    x = jax.nn.relu(hk.Conv2D(4, 3)(x))
    for channels, stride in ((4, 1), (8, 2)):
        y = jax.nn.relu(hk.BatchNorm(**norm)(hk.Conv2D(channels, 3, stride, with_bias=False)(x), is_training))
        y = hk.BatchNorm(**norm)(hk.Conv2D(channels, 3, with_bias=False)(y), is_training)
        if stride != 1:
            x = hk.BatchNorm(**norm)(hk.Conv2D(channels, 1, stride, with_bias=False)(x), is_training)
        x = jax.nn.relu(x + y)
    return hk.Linear(10)(jnp.mean(x, axis=(1, 2)))


# Functions that are transformed already, with state and without.
resnet = hk.transform_with_state(_resnet)


def transformer(num_classes=10):
    """A function that transforms another; rows of an image as tokens."""

    def network(x):
        x = hk.Linear(16)(x.reshape(-1, 8, 8))
        x += hk.get_parameter("positions", (8, 16), init=hk.initializers.TruncatedNormal(0.02))
        x += hk.MultiHeadAttention(2, 8, w_init=hk.initializers.VarianceScaling())(x, x, x)
        x = hk.LayerNorm(-1, True, True)(x)
        x += hk.Linear(16)(jax.nn.gelu(hk.Linear(32)(x)))
        return hk.Linear(num_classes)(x.mean(axis=1))

    return hk.transform(network)


class LSTM(hk.Module):
    """Rows of an image as steps of time."""

    def __call__(self, x):
        cells, rows = hk.LSTM(16), x.reshape(-1, 8, 8)
        outputs, _ = hk.dynamic_unroll(cells, rows, cells.initial_state(len(rows)), time_major=False)
        return hk.Linear(10)(outputs[:, -1])


def made_inside(num_classes=10):
    """A function that makes a module, which Haiku allows inside what it transforms alone."""
    return CNN(num_classes)
