"""Pieces that the networks share."""

from collections.abc import Callable

import jax
from flax import linen as nn

from engine.models.model import ACTIVATIONS


class Hidden(nn.Module):
    """Normalisation and non-linearity after a linear layer, in that order.

    Attributes:
        activation: a name of `ACTIVATIONS`.
        has_batch_norm: whether to normalise over the batch first.
    """

    activation: str
    has_batch_norm: bool

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool) -> jax.Array:
        """Shape `[batch, …, features]` in and out."""
        if self.has_batch_norm:
            inputs = nn.BatchNorm(use_running_average=use_running_average)(inputs)
        activation: Callable[[jax.Array], jax.Array] = ACTIVATIONS[self.activation]
        return activation(inputs)


class DenseStack(nn.Module):
    """Hidden dense layers and the output layer.

    Attributes:
        widths: units of the hidden layers.
        num_outputs: units of the output layer.
        activation: a name of `ACTIVATIONS`.
        has_batch_norm: whether to normalise before the activations.
        dropout: share of hidden units dropped in training.
    """

    widths: tuple[int, ...]
    num_outputs: int
    activation: str
    has_batch_norm: bool
    dropout: float

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """From `[batch, …]`, flattened, to `[batch, num_outputs]`."""
        hidden = inputs.reshape(inputs.shape[0], -1)
        for width in self.widths:
            hidden = nn.Dense(width)(hidden)
            hidden = Hidden(self.activation, self.has_batch_norm)(hidden, use_running_average)
            if self.dropout > 0:
                hidden = nn.Dropout(self.dropout)(hidden, deterministic=is_deterministic)
        return nn.Dense(self.num_outputs)(hidden)
