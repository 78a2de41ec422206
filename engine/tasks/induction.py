"""`induction`: predict what follows a token, from what followed it before in the same sequence.

Each example draws an order of all tokens, a circle, and walks along it; at every step it jumps to a random token
instead, with a probability of a quarter. So the token that stood after the same one before comes next, and nothing else
tells it: another example has another order, all tokens occur alike often, and no distance is right for long. Only the
second half of a sequence counts, and there only steps along the circle that were seen before. To find them takes two
layers of attention, which form "induction heads". Examples are fresh at every step. Chance is ln(tokens − 1), the loss
of who knows only that no token follows itself.

Source: after Olsson et al. (2022), "In-context Learning and Induction Heads", who repeat random tokens.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..errors import InputError
from ..losses.next_token import loss_of_tokens
from . import random_streams
from .options import NUM_TOKENS, SEQUENCE_LENGTH, TASK_SEED
from .passes import draw_keys
from .reading import Reading
from .task import Batch, Data, Task

OPTIONS = (TASK_SEED, NUM_TOKENS.with_default(8), SEQUENCE_LENGTH.with_default(32))
_JUMPS = 0.25
_EVALUATION_SHAPE = (4, 128)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the evaluation sets, drawn by the `task` stream; raises InputError where nothing could be learned."""
    for name, least in (("num_tokens", 3), ("sequence_length", 4)):
        if getattr(arm, name) < least:
            raise InputError(f"{name}={getattr(arm, name)}: expected at least {least} with dataset=induction")
    arrays = {}
    with random_streams.on_cpu():
        keys = jax.random.split(random_streams.stream(root_seed, "task", arm.task_seed))
        for key, name in zip(keys, ("loss", "held_out"), strict=True):
            batch = _drawn(arm, key, int(np.prod(_EVALUATION_SHAPE)))
            for kind, array in batch._asdict().items():
                arrays[f"{name}_{kind}"] = np.asarray(array).reshape(*_EVALUATION_SHAPE, -1)
    return arrays


def _drawn(arm: Arm, key: jax.Array, number: int) -> Batch:
    """Draws sequences and what follows each position, `[number, sequence_length]`; −1 where that does not count."""
    of_order, of_jumps, of_tokens = jax.random.split(key, 3)
    length, tokens = arm.sequence_length, jnp.arange(arm.num_tokens)
    order = jax.random.permutation(of_order, jnp.tile(tokens, (number, 1)), axis=1, independent=True)
    jumps = jax.random.bernoulli(of_jumps, _JUMPS, (number, length + 1))
    places = jax.random.randint(of_tokens, (number, length + 1), 0, arm.num_tokens)

    def walk(place: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        does_jump, other = at
        place = jnp.where(does_jump, other, (place + 1) % arm.num_tokens)
        return place, place

    walked = jax.lax.scan(walk, places[:, 0], (jumps.T, places.T))[1].T
    sequence = jnp.take_along_axis(order, walked, axis=1)
    before, after, is_step = sequence[:, :-1], sequence[:, 1:], ~jumps[:, 1:]
    is_same = before[:, :, None] == before[:, None, :]
    is_earlier = jnp.tri(length, k=-1, dtype=bool)
    was_seen = jnp.any(is_same & is_earlier & is_step[:, None, :], axis=2)
    is_counted = is_step & was_seen & (jnp.arange(length) >= length // 2)
    return Batch(before.astype(jnp.float32), jnp.where(is_counted, after, -1).astype(jnp.int32))


def build(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm."""
    loss = loss_of_tokens(arm.num_tokens, float(np.log(arm.num_tokens - 1)))
    assert loss.chance is not None
    return Task(
        draw=draw_keys,
        sample=lambda data, draw: _drawn(arm, draw, arm.batch_size),
        loss=loss.of_examples,
        correct=loss.correct,
        chance_loss=loss.chance,
        example_shape=(arm.sequence_length,),
        num_outputs=arm.num_tokens,
        num_positions=arm.sequence_length,
    )
