"""`teacher`: a small random two-layer network is to be imitated, from fresh examples each step.

The teacher is a soft committee, `y(x) = K^(−1/2) Σ_k erf(w_k·x/√2)` with inputs and `√N w_k`
standard normal, K = 3, N = 16. The loss is ½(y − ŷ)². Examples are drawn on the device from the
`order` stream; the teacher and the evaluation sets from the `task` stream.

Source: Saad and Solla (1995), Phys. Rev. E 52.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from scipy import special

from engine.arms.arm import Arm
from engine.tasks import random_streams
from engine.tasks.fresh import draw_keys, half_square_task
from engine.tasks.options import TASK_SEED
from engine.tasks.reading import Reading
from engine.tasks.task import Batch, Data, Task

OPTIONS = (TASK_SEED,)
_NUM_INPUTS = 16
_NUM_UNITS = 3
_EVALUATION_SHAPE = (4, 256)


def _targets(weights: jax.Array, inputs: jax.Array) -> jax.Array:
    """From weights `[units, inputs]` and inputs `[…, inputs]` to targets `[…, 1]`."""
    return jnp.sum(erf(inputs @ weights.T / jnp.sqrt(2.0)), -1, keepdims=True) / np.sqrt(_NUM_UNITS)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """The teacher's weights and the evaluation sets, drawn on the CPU of any machine alike."""
    shapes = [(_NUM_UNITS, _NUM_INPUTS), *[(*_EVALUATION_SHAPE, _NUM_INPUTS)] * 2]
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed), 3)
        draws = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    weights, *inputs = (np.asarray(draw, np.float64) for draw in draws)
    weights /= np.sqrt(_NUM_INPUTS)
    arrays = {"weights": weights}
    for name, array in zip(("loss", "held_out"), inputs, strict=True):
        # In double precision, so that rounding to single hides the order of the sums.
        hidden = special.erf(array @ weights.T / np.sqrt(2.0))
        arrays[f"{name}_inputs"] = array
        arrays[f"{name}_targets"] = hidden.sum(-1, keepdims=True) / np.sqrt(_NUM_UNITS)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def build(arm: Arm, data: Data) -> Task:
    """The task of a resolved arm. Chance is half the variance of the evaluation targets."""
    batch_size = arm.batch_size

    def sample(data: Data, draw: jax.Array) -> Batch:
        inputs = jax.random.normal(draw, (batch_size, _NUM_INPUTS))
        return Batch(inputs, _targets(data["weights"], inputs))

    return half_square_task(draw_keys, sample, data)
