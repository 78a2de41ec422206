"""`xor`: the exclusive or of two signs, all four cases of it in every step.

Inputs are two numbers −1 or 1, the target is minus their product, and the loss is ½(y − ŷ)². The mean of the targets is
0, and no linear function of the inputs is better: chance is ½. A network has to bend twice before it tells anything.

Source: Rumelhart, Hinton and Williams (1986), "Learning internal representations by error propagation"; that its hidden
plateaus are saddles, Sprinkhuizen-Kuyper and Boers (1996), Neural Computation 8.
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

OPTIONS: tuple[Option, ...] = ()
_CASES = np.asarray([(a, b) for a in (-1, 1) for b in (-1, 1)], np.float32)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the four cases as both evaluation sets; there are no others to hold out."""
    inputs, targets = _CASES[None], -_CASES.prod(axis=1)[None, :, None]
    return {"loss_inputs": inputs, "loss_targets": targets, "held_out_inputs": inputs, "held_out_targets": targets}


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm; raises InputError where a batch does not hold every case as often."""
    times, rest = divmod(arm.batch_size, len(_CASES))
    if rest:
        raise InputError(f"batch_size={arm.batch_size}: expected a multiple of {len(_CASES)} with dataset=xor")

    def sample(data: Data, draw: jax.Array) -> Batch:
        return Batch(*(jnp.tile(data[f"loss_{kind}"][0], (times, 1)) for kind in ("inputs", "targets")))

    return half_square_task(draw_nothing, sample, data)
