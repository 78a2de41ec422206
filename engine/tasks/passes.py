"""Passes over examples that are held in arrays."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from engine.errors import InputError
from engine.tasks.task import Batch, Data


class Passes(NamedTuple):
    """The functions of a `Task` that say where examples come from."""

    draw: Callable[[Data, jax.Array, jax.Array, int], jax.Array]
    sample: Callable[[Data, jax.Array], Batch]
    evaluation: Callable[[Data], dict[str, Batch]]
    example_shape: tuple[int, ...]
    steps_per_epoch: int
    streamed: tuple[str, ...]


def make_passes(data: Data, batch_size: int, targets: str) -> Passes:
    """Real epochs over arrays.

    Every pass visits a fresh permutation of the training examples without replacement, in whole
    batches; what is left over is another remainder in every epoch.

    Args:
        data: host arrays `inputs`, the targets, and both of the evaluation sets; read for their
            shapes only.
        batch_size: examples in a mini-batch.
        targets: name of the array of targets.

    Raises:
        InputError: a batch would be larger than the training set.
    """
    num_examples = len(data[targets])
    if batch_size > num_examples:
        raise InputError(f"batch_size={batch_size}: expected at most the {num_examples} training examples")
    steps_per_epoch = num_examples // batch_size

    def draw(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
        def epoch_batches(epoch: jax.Array) -> jax.Array:
            order = jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)
            whole = order[: steps_per_epoch * batch_size]
            return whole.reshape(steps_per_epoch, batch_size)

        first_epoch = first_step // steps_per_epoch
        # Aligned blocks of steps that divide an epoch never reach into the next one.
        is_within = steps_per_epoch % num_steps == 0
        num_epochs = 1 if is_within else (num_steps + steps_per_epoch - 2) // steps_per_epoch + 1
        batches = jax.vmap(epoch_batches)(first_epoch + jnp.arange(num_epochs))
        batches = batches.reshape(num_epochs * steps_per_epoch, batch_size)
        offset = first_step - first_epoch * steps_per_epoch
        return lax.dynamic_slice_in_dim(batches, offset, num_steps)

    def sample(data: Data, draw: jax.Array) -> Batch:
        return Batch(data["inputs"][draw], data[targets][draw])

    def evaluation(data: Data) -> dict[str, Batch]:
        return evaluation_sets(data, targets)

    shape = tuple(data["inputs"].shape[1:])
    return Passes(draw, sample, evaluation, shape, steps_per_epoch, ("inputs", targets))


def evaluation_sets(data: Data, targets: str) -> dict[str, Batch]:
    """The fixed evaluation sets of arrays whose targets have a name."""
    names = ("loss", "held_out")
    return {name: Batch(data[f"{name}_inputs"], data[f"{name}_{targets}"]) for name in names}
