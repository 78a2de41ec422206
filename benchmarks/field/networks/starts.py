"""Networks whose start, activation, depth or size keeps them from learning, and which learn without that."""

from collections.abc import Callable

import jax
from flax import linen as nn
from flax.linen import initializers

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
    "sigmoid": nn.sigmoid,
    "softmax": nn.softmax,
    "swish": nn.swish,
    "tanh": nn.tanh,
    "linear": lambda x: x,
}


class Perceptron(nn.Module):
    """One hidden layer; with `zeros` every weight and bias starts at 0."""

    num_classes: int = 10
    units: int = 10
    activation: str = "sigmoid"
    zeros: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs."""
        start = initializers.zeros if self.zeros else initializers.truncated_normal(0.1)
        x = x.reshape(x.shape[0], -1)
        x = ACTIVATIONS[self.activation](nn.Dense(self.units, kernel_init=start, bias_init=start)(x))
        return nn.Dense(self.num_classes, kernel_init=start, bias_init=start)(x)


SCHEMES = {"he": initializers.he_normal(), "xavier": initializers.xavier_normal()}


class Stack(nn.Module):
    """Hidden layers of one width; `scale` is the deviation of all weights, or 0 for those of a scheme."""

    num_outputs: int = 1
    depth: int = 2
    width: int = 16
    activation: str = "relu"
    scheme: str = "he"
    scale: float = 0.0
    bias: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs."""
        start = initializers.normal(self.scale) if self.scale else SCHEMES[self.scheme]
        bias = initializers.constant(self.bias)
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.depth):
            x = ACTIVATIONS[self.activation](nn.Dense(self.width, kernel_init=start, bias_init=bias)(x))
        return nn.Dense(self.num_outputs, kernel_init=start)(x)


class Uniform(nn.Module):
    """A narrowing network with weights that start between -`most` and `most`, or as Glorot has it where that is 0."""

    num_classes: int = 3
    widths: tuple[int, ...] = (32, 32, 24, 24, 16, 16)
    activation: str = "tanh"
    most: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs."""

        def even(key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = float) -> jax.Array:
            return jax.random.uniform(key, shape, dtype, -self.most, self.most)

        kernel = even if self.most else initializers.glorot_uniform()
        x = x.reshape(x.shape[0], -1)
        for width in self.widths:
            x = ACTIVATIONS[self.activation](nn.Dense(width, kernel_init=kernel)(x))
        return nn.Dense(self.num_classes, kernel_init=kernel)(x)


class Ranking(nn.Module):
    """A tower of dense layers whose biases all start at `bias`."""

    num_outputs: int = 1
    widths: tuple[int, ...] = (24, 12, 4)
    bias: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs."""
        x = x.reshape(x.shape[0], -1)
        for width in self.widths:
            x = nn.relu(nn.Dense(width, bias_init=initializers.constant(self.bias))(x))
        return nn.Dense(self.num_outputs)(x)


class Opposed(nn.Module):
    """Two hidden layers with constant weights, the first positive and the second negative."""

    num_classes: int = 2
    units: int = 10
    activation: str = "relu"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs."""
        x = x.reshape(x.shape[0], -1)
        for value in (0.5, -0.5):
            dense = nn.Dense(self.units, kernel_init=initializers.constant(value))
            x = ACTIVATIONS[self.activation](dense(x))
        return nn.Dense(self.num_classes)(x)
