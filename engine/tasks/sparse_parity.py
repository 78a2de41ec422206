"""`sparse_parity`: learn the product of k of n signs, from fresh examples each step.

Inputs are n independent signs, and the target is the product of k of them, which the `task` stream draws; examples come
from the `order` stream. One output f is trained with the hinge loss max(0, 1 − yf), and is right where its sign is. No
other subset of the signs, and no smaller part of this one, tells anything about the target. Evaluation sets hold both
targets equally often, so chance is a loss of 1 exactly.

Source: Barak, Edelman, Goel, Kakade, Malach and Zhang (2022), "Hidden progress in deep learning:
SGD learns parities near the computational limit".
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from . import random_streams
from .options import NUM_INPUTS, TASK_SEED
from .passes import draw_keys
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (
    TASK_SEED,
    NUM_INPUTS.with_default(20),
    Option("parity_size", int, 3, "inputs whose product is the target", minimum=1, maximum=4096),
)
_EVALUATION_SHAPE = (2, 512)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the positions that count, `[k]`, and the evaluation sets; raises InputError for too many."""
    num_inputs, size = arm.num_inputs, arm.parity_size
    if size > num_inputs:
        raise InputError(f"parity_size={size}: expected at most num_inputs={num_inputs}")
    with random_streams.on_cpu():
        of_subset, *keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed), 3)
        subset = np.sort(np.asarray(jax.random.permutation(of_subset, num_inputs))[:size])
        drawn = [np.array(jax.random.rademacher(key, (*_EVALUATION_SHAPE, num_inputs), np.float32)) for key in keys]
    arrays = {"subset": subset.astype(np.int32)}
    for name, inputs in zip(("loss", "held_out"), drawn, strict=True):
        wanted = np.where(np.arange(_EVALUATION_SHAPE[1]) % 2, 1.0, -1.0)
        # The target and the other signs fix the first sign that counts.
        inputs[..., subset[0]] *= wanted * inputs[..., subset].prod(-1)
        arrays[f"{name}_inputs"] = inputs
        arrays[f"{name}_targets"] = inputs[..., subset].prod(-1, keepdims=True)
    return arrays


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm."""
    batch_size, num_inputs = arm.batch_size, arm.num_inputs

    def sample(data: Data, draw: jax.Array) -> Batch:
        inputs = jax.random.rademacher(draw, (batch_size, num_inputs), jnp.float32)
        return Batch(inputs, jnp.prod(inputs[:, data["subset"]], axis=-1, keepdims=True))

    def margin(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return targets[..., 0] * outputs[..., 0]

    return Task(
        draw=draw_keys,
        sample=sample,
        loss=lambda outputs, targets: jax.nn.relu(1.0 - margin(outputs, targets)),
        correct=lambda outputs, targets: margin(outputs, targets) > 0,
        chance_loss=1.0,
        example_shape=(num_inputs,),
        num_outputs=1,
    )
