"""`ramp`: targets that rise with one positive input, for networks that may be born dead.

The 32 examples are x = 1/32 … 1 with the target x, all of them in every step, and the loss is ½(x − ŷ)². All inputs are
positive multiples of one another, so a network of rectifiers without biases is alive on all of them or on none. One
that is dead on all learns its output bias, the mean of the targets, and nothing else: chance, half the targets'
variance.

Source: Lu, Shin, Su and Karniadakis (2020), Commun. Comput. Phys. 28, use such a task.
"""

import jax
import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from .passes import draw_nothing, half_square_task
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS: tuple[Option, ...] = ()
NUM_EXAMPLES = 32


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the examples as both evaluation sets; there are no others to hold out."""
    inputs = (np.arange(1, NUM_EXAMPLES + 1) / NUM_EXAMPLES).astype(np.float32)[None, :, None]
    names = ("loss_inputs", "loss_targets", "held_out_inputs", "held_out_targets")
    return dict.fromkeys(names, inputs)


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm; raises InputError for another batch size."""
    if arm.batch_size != NUM_EXAMPLES:
        raise InputError(f"batch_size={arm.batch_size}: expected {NUM_EXAMPLES} with dataset=ramp, which is all of it")

    def sample(data: Data, draw: jax.Array) -> Batch:
        return Batch(data["loss_inputs"][0], data["loss_targets"][0])

    return half_square_task(draw_nothing, sample, data)
