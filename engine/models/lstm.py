"""`lstm`: a recurrent network of long short-term memory, read after the last step.

The second axis of the input counts steps; what stands at each is flattened.

Source: Hochreiter and Schmidhuber (1997), "Long Short-Term Memory".
"""

import jax
from flax import linen as nn

from ..arms.arm import Arm
from .layers import size

OPTIONS = (size("hidden_size", 32, "numbers that are remembered"),)


class Lstm(nn.Module):
    """Computes all steps, and outputs from what is remembered at the end."""

    hidden_size: int
    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, steps, …]` to `[batch, num_outputs]`."""
        steps = inputs.reshape(*inputs.shape[:2], -1)
        _, hidden = nn.RNN(nn.OptimizedLSTMCell(self.hidden_size), return_carry=True)(steps)
        return nn.Dense(self.num_outputs)(hidden[:, -1])


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of an arm."""
    return Lstm(arm.hidden_size, num_outputs)
