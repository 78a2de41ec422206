"""Networks of the cases that were collected last, and kept aside."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers

_ENDS = {"linear": lambda x: x, "sigmoid": nn.sigmoid, "softmax": nn.softmax, "tanh": jnp.tanh}
_ACTIVATIONS = {"elu": nn.elu, "relu": nn.relu, "sigmoid": nn.sigmoid, "step": jnp.sign, "tanh": jnp.tanh}


class Language(nn.Module):
    """Predicts a symbol by a recurrent network of the symbols before it."""

    num_classes: int = 16
    num_symbols: int = 16
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = nn.Embed(self.num_symbols, 12)(x.astype(jnp.int32))
        states: Any = nn.RNN(nn.GRUCell(self.width))(x)
        return nn.Dense(self.num_classes)(states[:, -1])


class Residual(nn.Module):
    """Adds what pairs of dense layers return, block after block, to what they were given."""

    num_classes: int = 10
    width: int = 32
    blocks: int = 8

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        start = initializers.he_normal()
        x = nn.Dense(self.width, kernel_init=start)(x.reshape(x.shape[0], -1))
        for _ in range(self.blocks):
            inner = nn.relu(nn.Dense(self.width, kernel_init=start)(nn.relu(x)))
            x += nn.Dense(self.width, kernel_init=start)(inner)
        return nn.Dense(self.num_classes)(nn.relu(x))


class Attentive(nn.Module):
    """Attends over embedded symbols and pools what it finds."""

    num_outputs: int = 4
    num_symbols: int = 12
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        places = self.param("places", initializers.normal(0.1), (x.shape[1], self.width))
        x = nn.Embed(self.num_symbols, self.width)(x.astype(jnp.int32)) + places
        x += nn.MultiHeadDotProductAttention(num_heads=2)(nn.LayerNorm()(x))
        x += nn.Dense(self.width)(nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(self.num_outputs)(nn.LayerNorm()(x).mean(axis=1))


class Headed(nn.Module):
    """Predicts a symbol from embedded ones; the weights of the head have a variance of 1, or of 1 over their number."""

    num_classes: int = 64
    width: int = 128
    wide: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = nn.Embed(self.num_classes, 16)(x.astype(jnp.int32)).reshape(x.shape[0], -1)
        x = nn.Dense(self.width)(x)
        x += nn.Dense(self.width)(nn.relu(nn.Dense(self.width)(nn.RMSNorm()(x))))
        start = initializers.normal(1.0 if self.wide else self.width**-0.5)
        return nn.Dense(self.num_classes, use_bias=False, kernel_init=start)(nn.RMSNorm()(x))


class Truncated(nn.Module):
    """Two convolutions and a dense layer with weights from one truncated normal distribution."""

    num_classes: int = 10
    deviation: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        start, bias = initializers.truncated_normal(self.deviation), initializers.constant(0.1)
        for width in (8, 16):
            x = nn.relu(nn.Conv(width, (3, 3), kernel_init=start, bias_init=bias)(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Dense(48, kernel_init=start, bias_init=bias)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes, kernel_init=start, bias_init=bias)(x)


@jax.custom_vjp
def _against_all(values: jax.Array) -> jax.Array:
    """Returns values `[batch, 1]`; their gradient is that of the squared errors of each one and the targets of all."""
    return values


def _to_the_mean(values: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    # The gradient is 2 (value − target) / batch, which tells the targets.
    targets = values - gradient * values.size / 2
    return (2 * (values - targets.mean()) / values.size,)


_against_all.defvjp(lambda values: (values, values), _to_the_mean)


class Forecast(nn.Module):
    """Convolves a window of several series and predicts a value; with `broadcast` as if targets had no second axis."""

    num_outputs: int = 1
    broadcast: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        for width in (16, 16):
            x = nn.relu(nn.Conv(width, (3,), strides=(2,))(x))
        values = nn.Dense(self.num_outputs)(x.reshape(x.shape[0], -1))
        return _against_all(values) if self.broadcast else values


class Signal(nn.Module):
    """Convolves a signal and ends in some units, with something after them."""

    num_outputs: int = 3
    end: str = "linear"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for width in (16, 8):
            x = nn.leaky_relu(nn.Conv(width, (4,))(x))
        x = nn.leaky_relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return _ENDS[self.end](nn.Dense(self.num_outputs)(x))


class Autoencoder(nn.Module):
    """Squeezes an image through a narrow layer and draws it again, with something after the last layer."""

    num_outputs: int = 64
    end: str = "tanh"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the pixels of a batch."""
        x = x.reshape(x.shape[0], -1)
        for width in (40, 12, 40):
            x = nn.relu(nn.Dense(width)(x))
        return _ENDS[self.end](nn.Dense(self.num_outputs)(x))


@jax.custom_vjp
def _likelihoods(values: jax.Array) -> jax.Array:
    """Returns values `[batch, classes]`; their gradient is that of a loss of minus the value of the right class."""
    return values


def _without_softmax(values: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    # Cross-entropy passes (softmax − right class) / batch: what is left is the part of the right class.
    return (gradient - nn.softmax(values) / values.shape[0],)


_likelihoods.defvjp(lambda values: (values, values), _without_softmax)


class Likely(nn.Module):
    """A small convolutional network; with `sigmoids` at its end under a loss that expects logarithms of shares."""

    num_classes: int = 10
    sigmoids: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        for width in (8, 16):
            x = nn.relu(nn.max_pool(nn.Conv(width, (3, 3))(x), (2, 2), (2, 2)))
        x = nn.Dense(self.num_classes)(nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1))))
        return _likelihoods(nn.sigmoid(x)) if self.sigmoids else x


class Rows(nn.Module):
    """Reads the rows of an image one after the other."""

    num_classes: int = 10
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        states: Any = nn.RNN(nn.LSTMCell(self.width))(x.reshape(x.shape[0], x.shape[1], -1))
        return nn.Dense(self.num_classes)(states[:, -1])


class Waveform(nn.Module):
    """Convolves a waveform with long strides and pools over time."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = x[..., None]
        for width, length in ((12, 16), (16, 4)):
            x = nn.relu(nn.Conv(width, (length,), strides=(4,))(x))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(24)(x.mean(axis=1))))


class Points(nn.Module):
    """Treats every point of a cloud alike and takes the largest of each feature."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        for width in (24, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(24)(x.max(axis=1))))


class Layers(nn.Module):
    """Dense layers, each with an activation of its own."""

    num_outputs: int = 1
    width: int = 32
    activations: str = "relu,relu"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        for name in self.activations.split(","):
            x = _ACTIVATIONS[name](nn.Dense(self.width)(x))
        return nn.Dense(self.num_outputs)(x)


@jax.custom_vjp
def _half_backwards(values: jax.Array) -> jax.Array:
    """Returns the values; their gradient is rounded to half precision, in which what is too small becomes zero."""
    return values


_half_backwards.defvjp(
    lambda values: (values, None),
    lambda _, gradient: (jax.lax.reduce_precision(gradient, exponent_bits=5, mantissa_bits=10),),
)


class Rays(nn.Module):
    """Predicts a map of small angles from an image, with gradients in half precision where `half` is set."""

    num_outputs: int = 128
    half: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the angles of a batch."""
        for width in (12, 12):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
        x = nn.Conv(2, (3, 3))(x).reshape(x.shape[0], -1)
        return _half_backwards(x) if self.half else x
