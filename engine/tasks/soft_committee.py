"""`soft_committee`: imitate a committee machine with orthonormal units.

The teacher is `y(x) = Σ_k erf(w_k·x/√2)`; the `task` stream draws its K vectors `w_k`, orthonormal in N dimensions.
Inputs are standard normal, fresh at every step from the `order` stream. The loss is ½(y − ŷ)². One example a step at a
learning rate of η/N is the online learning of the source; larger batches at the same learning rate remove its noise.

The coordinates of the evaluation set along the teacher's vectors are a Sobol' set with a random digital shift, because
errors on the symmetric plateau have a long tail: there the mean loss of as many independent examples would be off by
1.5 %, and that of these is off by less than 0.1 %.

Source: Saad and Solla (1995), Phys. Rev. E 52; Matoušek (1998), J. Complexity 14.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.scipy.special import erf

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from . import random_streams
from .options import NUM_INPUTS, TASK_SEED
from .passes import draw_keys, half_square_task
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (
    TASK_SEED,
    NUM_INPUTS.with_default(32),
    Option("teacher_units", int, 2, "hidden units of the committee that is imitated", minimum=1, maximum=1000),
)
_BATCH = 2048
_NUM_BATCHES = {"loss": 16, "held_out": 2}
_BITS = 30


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the teacher's vectors `[units, inputs]` and the evaluation sets; raises InputError for too many units."""
    num_inputs, num_units = arm.num_inputs, arm.teacher_units
    if num_units > num_inputs:
        raise InputError(
            f"teacher_units={num_units}: expected at most num_inputs={num_inputs}, because the "
            f"units of a teacher are at right angles to each other"
        )
    # In double precision: rounding to single then hides the order of the sums.
    with random_streams.on_cpu():
        of_teacher, *keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed), 3)
        drawn = np.asarray(jax.random.normal(of_teacher, (num_inputs, num_units)), np.float64)
        weights = np.linalg.qr(drawn)[0].T
        arrays = {"weights": weights}
        for key, (name, number) in zip(keys, _NUM_BATCHES.items(), strict=True):
            inputs = _evaluation_inputs(key, weights, number * _BATCH).reshape(-1, _BATCH, num_inputs)
            arrays[f"{name}_inputs"] = inputs
            arrays[f"{name}_targets"] = scipy.special.erf(inputs @ weights.T / np.sqrt(2.0)).sum(-1, keepdims=True)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _evaluation_inputs(key: jax.Array, weights: np.ndarray, number: int) -> np.ndarray:
    """Returns standard normal inputs `[number, inputs]`, evenly spread along the teacher's vectors."""
    from scipy.stats import qmc

    of_shift, of_rest = jax.random.split(key)
    num_units, num_inputs = weights.shape
    shift = np.asarray(jax.random.bits(of_shift, (num_units,), np.uint32)) >> (32 - _BITS)
    points = qmc.Sobol(num_units, scramble=False, bits=_BITS).random(number) * 2**_BITS
    along = scipy.special.ndtri(((points.astype(np.uint32) ^ shift) + 0.5) / 2**_BITS)
    rest = np.asarray(jax.random.normal(of_rest, (number, num_inputs)), np.float64)
    return rest + (along - rest @ weights.T) @ weights


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm. Chance is half the variance of the evaluation targets: K/6."""
    batch_size, num_inputs = arm.batch_size, arm.num_inputs

    def sample(data: Data, draw: jax.Array) -> Batch:
        inputs = jax.random.normal(draw, (batch_size, num_inputs))
        hidden = erf(inputs @ data["weights"].T / jnp.sqrt(2.0))
        return Batch(inputs, jnp.sum(hidden, -1, keepdims=True))

    return half_square_task(draw_keys, sample, data)
