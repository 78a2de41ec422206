"""`line`: targets s·x on the inputs x = ±1, half of each, for networks whose training is known.

The loss is ½(s·x − ŷ)². The best constant prediction is 0, so chance is s²/2. Every batch is half −1 and half 1, in the
same order, and so the whole distribution: the loss of a network ŷ = u·x is ½(s − u)² exactly, and only the start is
random.

Source: Saxe, McClelland and Ganguli (2014), ICLR, use such a task.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from .passes import draw_nothing, half_square_task
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (Option("slope", float, 1.0, "slope of the line that is to be learned", minimum=1e-3, maximum=1e3),)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the two examples as both evaluation sets; there are no others to hold out."""
    inputs = np.array([[[-1.0], [1.0]]], np.float32)
    targets = np.float32(arm.slope) * inputs
    return {"loss_inputs": inputs, "loss_targets": targets, "held_out_inputs": inputs, "held_out_targets": targets}


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm; raises InputError for an odd batch size."""
    batch_size = arm.batch_size
    if batch_size % 2:
        raise InputError(
            f"batch_size={batch_size}: expected an even number with dataset=line, half of whose "
            f"examples are −1 and half 1"
        )

    def sample(data: Data, draw: jax.Array) -> Batch:
        repeats = (batch_size // 2, 1)
        both = Batch(data["loss_inputs"][0], data["loss_targets"][0])
        return Batch(jnp.tile(both.inputs, repeats), jnp.tile(both.targets, repeats))

    return half_square_task(draw_nothing, sample, data)
