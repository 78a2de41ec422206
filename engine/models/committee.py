"""`committee`: a soft committee machine, hidden units `erf(w·x/√2)` whose plain sum is the output.

Only the first layer is trained, and nothing has a bias. Every output has a committee of its own.
Source: Saad and Solla (1995), Phys. Rev. E 52.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.scipy.special import erf

from ..arms.arm import LARGEST_SIZE, Arm
from ..arms.options import Option

OPTIONS = (Option("student_units", int, 2, "hidden units of the committee", minimum=1, maximum=LARGEST_SIZE),)


class Committee(nn.Module):
    """Sums hidden units that all have the same vote."""

    num_units: int
    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, …]`, flattened, to `[batch, num_outputs]`."""
        flat = inputs.reshape(inputs.shape[0], -1)
        fields = nn.Dense(self.num_units * self.num_outputs, use_bias=False, name="hidden")(flat)
        votes = erf(fields / jnp.sqrt(2.0))
        return jnp.sum(votes.reshape(-1, self.num_outputs, self.num_units), axis=-1)


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of a resolved arm."""
    return Committee(arm.student_units, num_outputs)
