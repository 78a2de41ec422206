"""`memory`: say at the end of a sequence what stood at its beginning.

Every step of the input is a one-hot vector of one of `num_tokens` tokens, all of them drawn independently; the class is
the first. Examples are fresh at every step. Chance is ln(tokens). The gradient from the end to the beginning shrinks
with every step between, so the wait grows with their number.

Source: after Hochreiter and Schmidhuber (1997), "Long Short-Term Memory", who hide what counts among noise.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..arms.arm import Arm
from ..losses import most_likely_is_right
from . import random_streams
from .options import NUM_TOKENS, SEQUENCE_LENGTH, TASK_SEED
from .passes import draw_keys
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (TASK_SEED, NUM_TOKENS.with_default(4), SEQUENCE_LENGTH.with_default(20))
_EVALUATION_SHAPE = (4, 128)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the evaluation sets, drawn by the `task` stream, with every class as often as any other."""
    arrays, number = {}, int(np.prod(_EVALUATION_SHAPE))
    with random_streams.on_cpu():
        keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed))
        for key, name in zip(keys, ("loss", "held_out"), strict=True):
            tokens = np.array(_tokens(arm, key, number))
            tokens[:, 0] = np.arange(number) % arm.num_tokens
            arrays[f"{name}_inputs"] = np.eye(arm.num_tokens, dtype=np.float32)[tokens].reshape(
                *_EVALUATION_SHAPE, arm.sequence_length, arm.num_tokens
            )
            arrays[f"{name}_labels"] = tokens[:, 0].astype(np.int32).reshape(_EVALUATION_SHAPE)
    return arrays


def _tokens(arm: Arm, key: jax.Array, number: int) -> jax.Array:
    return jax.random.randint(key, (number, arm.sequence_length), 0, arm.num_tokens)


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm."""

    def sample(data: Data, draw: jax.Array) -> Batch:
        tokens = _tokens(arm, draw, arm.batch_size)
        return Batch(jax.nn.one_hot(tokens, arm.num_tokens), tokens[:, 0].astype(jnp.int32))

    return Task(
        draw=draw_keys,
        sample=sample,
        loss=optax.softmax_cross_entropy_with_integer_labels,
        correct=most_likely_is_right,
        chance_loss=float(np.log(arm.num_tokens)),
        example_shape=(arm.sequence_length, arm.num_tokens),
        num_outputs=arm.num_tokens,
    )
