"""`chain`: a deep linear chain, every output `w_1 w_2 … w_D` times the sum of the inputs, without biases.

The smallest network with a plateau near zero; its training is known exactly, see `engine.theory.chain`.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from ..arms.arm import Arm
from ..arms.options import Option

OPTIONS = (Option("depth", int, 2, "weights of a chain", minimum=1, maximum=100),)


class Chain(nn.Module):
    """Multiplies scalar weights."""

    depth: int
    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, …]` to `[batch, num_outputs]`, all outputs alike."""
        product = jnp.float32(1.0)
        for i in range(self.depth):
            # A matrix of one entry, so that initial schemes take it for a weight.
            product *= self.param(f"weight_{i}", nn.initializers.ones, (1, 1))[0, 0]
        summed = inputs.reshape(inputs.shape[0], -1).sum(axis=1, keepdims=True)
        return jnp.broadcast_to(product * summed, (inputs.shape[0], self.num_outputs))


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of a resolved arm."""
    return Chain(arm.depth, num_outputs)
