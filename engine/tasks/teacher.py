"""`teacher`: imitate a small random two-layer network, from fresh examples each step.

The teacher is a soft committee, `y(x) = K^(−1/2) Σ_k erf(w_k·x/√2)` with inputs and `√N w_k` standard normal, K = 3,
N = 16. The loss is ½(y − ŷ)². The `order` stream draws examples on the device; the `task` stream draws the teacher and
the evaluation sets.

Source: Saad and Solla (1995), Phys. Rev. E 52.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.scipy.special import erf

from ..arms.arm import Arm
from . import random_streams
from .options import TASK_SEED
from .passes import draw_keys, half_square_task
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (TASK_SEED,)
_NUM_INPUTS = 16
_NUM_UNITS = 3
_EVALUATION_SHAPE = (4, 256)


def _targets(weights: jax.Array, inputs: jax.Array) -> jax.Array:
    """Returns targets `[…, 1]` from weights `[units, inputs]` and inputs `[…, inputs]`."""
    return jnp.sum(erf(inputs @ weights.T / jnp.sqrt(2.0)), -1, keepdims=True) / np.sqrt(_NUM_UNITS)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the teacher's weights and the evaluation sets."""
    shapes = [(_NUM_UNITS, _NUM_INPUTS), *[(*_EVALUATION_SHAPE, _NUM_INPUTS)] * 2]
    with random_streams.on_cpu():
        keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed), 3)
        draws = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    weights, *inputs = (np.asarray(draw, np.float64) for draw in draws)
    weights /= np.sqrt(_NUM_INPUTS)
    arrays = {"weights": weights}
    for name, array in zip(("loss", "held_out"), inputs, strict=True):
        # In double precision: rounding to single then hides the order of the sums.
        hidden = scipy.special.erf(array @ weights.T / np.sqrt(2.0))
        arrays[f"{name}_inputs"] = array
        arrays[f"{name}_targets"] = hidden.sum(-1, keepdims=True) / np.sqrt(_NUM_UNITS)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm. Chance is half the variance of the evaluation targets."""
    batch_size = arm.batch_size

    def sample(data: Data, draw: jax.Array) -> Batch:
        inputs = jax.random.normal(draw, (batch_size, _NUM_INPUTS))
        return Batch(inputs, _targets(data["weights"], inputs))

    return half_square_task(draw_keys, sample, data)
