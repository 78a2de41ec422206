"""`double_well`: noise kicks a particle over a barrier, after a memoryless wait.

The potential is U(x) = x⁴/4 − x²/2, with wells at −1 and 1. The gradient on an example is U′(x) − σz with a fresh
standard normal z from the `order` stream. With `model=position`, one example a step and plain SGD at the learning rate
h, training is the Euler–Maruyama scheme of `dx = (x − x³) dt + √(2T) dW` with time step h and temperature T = hσ²/2.
The event is the first step at which x ≥ 1, a hitting time, not the onset of a loss. The curve is the distance 1 − x to
the other well.

It is the positive control for waits that are pure chance: the particle forgets where it was within a few units of time,
and waits for 66.27 of them on average at T = 0.1.

Source: Kramers (1940), Physica 7; the mean in closed form, e.g. Gardiner (2009), §5.2.7.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from .passes import draw_keys
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (
    # The default gives T = 0.1 at a learning rate of 0.01.
    Option("gradient_noise", float, 4.4721, "standard deviation of the noise on the gradient", minimum=0, maximum=1e6),
)
_START_DISTANCE = 2.0


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns inputs that nothing reads, and targets for which the loss is the distance 1 − x."""
    inputs, targets = np.zeros((1, 1, 1), np.float32), np.array([[[0.0, -1.0, 1.0]]], np.float32)
    return {"loss_inputs": inputs, "loss_targets": targets, "held_out_inputs": inputs, "held_out_targets": targets}


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm. Targets `(a, b, c)` make the loss aU(x) + bx + c."""
    batch_size, noise = arm.batch_size, arm.gradient_noise

    def draw(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
        keys = draw_keys(data, key, first_step, num_steps)
        return jax.vmap(lambda key: jax.random.normal(key, (batch_size,)))(keys)

    def sample(data: Data, draw: jax.Array) -> Batch:
        targets = jnp.stack([jnp.ones_like(draw), -noise * draw, jnp.zeros_like(draw)], axis=-1)
        return Batch(jnp.zeros((batch_size, 1)), targets)

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        x = outputs[:, 0]
        potential = x**4 / 4 - x**2 / 2
        return targets[:, 0] * potential + targets[:, 1] * x + targets[:, 2]

    return Task(
        draw=draw,
        sample=sample,
        loss=loss,
        chance_loss=_START_DISTANCE,
        example_shape=(1,),
        num_outputs=1,
        is_hit=lambda outputs: outputs[0, 0] >= 1.0,
    )
