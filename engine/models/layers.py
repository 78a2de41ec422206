"""Pieces that the networks share."""

import jax
from flax import linen as nn

from ..arms.arm import LARGEST_SIZE
from ..arms.options import Option
from .model import ACTIVATIONS


def size(name: str, default: int, help: str) -> Option:
    """Declares a number of units."""
    return Option(name, int, default, help, minimum=1, maximum=LARGEST_SIZE)


def sizes(name: str, default: tuple[int, ...], help: str) -> Option:
    """Declares a number for each of some layers."""
    return Option(name, int, default, help, minimum=1, maximum=LARGEST_SIZE, most=1000)


ACTIVATION = Option("activation", str, "relu", "non-linearity", choices=tuple(ACTIVATIONS))
DENSE_WIDTHS = sizes("dense_widths", (128, 64), "units of the hidden dense layers")
DENSE_OPTIONS = (
    DENSE_WIDTHS,
    ACTIVATION,
    Option("batch_norm", bool, False, "normalise over the batch before activations"),
    Option(
        "dropout", float, 0.0, "share of hidden dense units dropped in training", minimum=0, maximum=1, is_open=True
    ),
)


class Hidden(nn.Module):
    """Normalises over the batch where asked to, then applies the non-linearity."""

    activation: str
    has_batch_norm: bool

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool) -> jax.Array:
        """Keeps the shape `[batch, …, features]`."""
        if self.has_batch_norm:
            inputs = nn.BatchNorm(use_running_average=use_running_average)(inputs)
        return ACTIVATIONS[self.activation](inputs)


class DenseStack(nn.Module):
    """Applies hidden dense layers, of which a share `dropout` of units is dropped in training, and the output layer."""

    widths: tuple[int, ...]
    num_outputs: int
    activation: str
    has_batch_norm: bool
    dropout: float

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, …]`, flattened, to `[batch, num_outputs]`."""
        hidden = inputs.reshape(inputs.shape[0], -1)
        for width in self.widths:
            hidden = nn.Dense(width)(hidden)
            hidden = Hidden(self.activation, self.has_batch_norm)(hidden, use_running_average)
            if self.dropout > 0:
                hidden = nn.Dropout(self.dropout)(hidden, deterministic=is_deterministic)
        return nn.Dense(self.num_outputs)(hidden)
