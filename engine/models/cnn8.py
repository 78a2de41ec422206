"""`cnn8`: convolutions, pooled on the way, and dense layers; 5 + 3 by default."""

import jax
from flax import linen as nn

from ..arms.arm import Arm
from ..errors import InputError, counted
from .layers import DENSE_OPTIONS, DenseStack, Hidden, sizes

OPTIONS = (
    sizes("conv_widths", (16, 16, 32, 32, 32), "channels of the convolutions"),
    sizes("pool_after", (2, 4), "convolutions followed by 2×2 pooling, counted from 1"),
    *DENSE_OPTIONS,
)


class CNN8(nn.Module):
    """Applies 3×3 convolutions with padding, 2×2 max pooling after some of them, then dense layers."""

    conv_widths: tuple[int, ...]
    pool_after: tuple[int, ...]
    dense_widths: tuple[int, ...]
    num_outputs: int
    activation: str
    has_batch_norm: bool
    dropout: float

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps images `[batch, height, width, channels]` to `[batch, num_outputs]`."""
        hidden = inputs
        for layer, width in enumerate(self.conv_widths, start=1):
            hidden = nn.Conv(width, (3, 3))(hidden)
            hidden = Hidden(self.activation, self.has_batch_norm)(hidden, use_running_average)
            if layer in self.pool_after:
                hidden = nn.max_pool(hidden, (2, 2), (2, 2))
        dense = DenseStack(self.dense_widths, self.num_outputs, self.activation, self.has_batch_norm, self.dropout)
        return dense(hidden, use_running_average, is_deterministic)


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of an arm; raises InputError for pooling after a convolution that does not exist."""
    if any(layer > len(arm.conv_widths) for layer in arm.pool_after):
        raise InputError(f"pool_after={arm.pool_after}: the network has {counted(len(arm.conv_widths), 'convolution')}")
    widths = (arm.conv_widths, arm.pool_after, arm.dense_widths)
    return CNN8(*widths, num_outputs, arm.activation, arm.batch_norm, arm.dropout)
