"""`position`: one number, the position of a particle, as every output and whatever the input.

With `init_scale=0` every run starts at −1 exactly; above that, at a normal distance from it.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from ..arms.arm import Arm

OPTIONS = ()


class Position(nn.Module):
    """Holds a position, as the distance from −1 that is its only parameter."""

    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, …]` to the position, `[batch, num_outputs]`."""
        distance = self.param("distance", nn.initializers.zeros, ())
        return jnp.broadcast_to(distance - 1.0, (inputs.shape[0], self.num_outputs))


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of a resolved arm."""
    return Position(num_outputs)
