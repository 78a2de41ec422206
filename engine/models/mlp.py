"""`mlp`: hidden dense layers on the flattened input."""

from flax import linen as nn

from ..arms.arm import Arm
from .layers import DENSE_OPTIONS, DenseStack

OPTIONS = DENSE_OPTIONS


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of a resolved arm."""
    return DenseStack(arm.dense_widths, num_outputs, arm.activation, arm.batch_norm, arm.dropout)
