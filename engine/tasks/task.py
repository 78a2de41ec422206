"""What the engine sees of a task: where examples come from, and what a loss is."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine.arms.arm import Arm
from engine.tasks.augmentation import Augment, make_augmentation
from engine.tasks.controls import controlled
from engine.tasks.reading import Reading
from engine.tasks.registry import TASKS

Data = Mapping[str, Any]


class Batch(NamedTuple):
    """Examples: inputs `[batch, …]` and targets `[batch, …]`."""

    inputs: jax.Array
    targets: jax.Array


class Task(NamedTuple):
    """A source of examples, written for one run.

    The data are an argument of every function and never captured: captured arrays would end up
    inside the compiled program. What a step needs of the random stream is drawn for many steps at
    once, outside the training step, because a permutation inside it would be made again each time.

    Attributes:
        draw: from (data, key of the `order` stream, first step, number of steps) to a tree of
            arrays with one entry per step. The first step is a multiple of the number of steps,
            which is static. The draw of a step depends on the key and the step alone.
        sample: from (data, the draw of one step) to a `Batch`.
        evaluation: from data to the fixed evaluation sets: `loss` is the one that detects,
            `held_out` is of examples never trained on. Arrays `[num_batches, batch, …]`.
        loss: from (outputs, targets) to the loss of each example, in nats for classification.
        correct: from (outputs, targets) to whether each example is right; `None` for regression.
        chance_loss: the loss of the best constant prediction.
        example_shape: of one input.
        num_outputs: of the network.
        steps_per_epoch: steps in one pass over the data; `None` where every example is fresh.
        augment: from (key, inputs of a mini-batch) to the inputs that are trained on, every example
            changed at random on its own; `None` where nothing is. Nothing is evaluated on those.
        is_hit: from outputs to whether the event has happened, a scalar, for tasks whose event is
            the first time at which the outputs reach a set; `None` where it is the break of the
            loss curve. A run is over when it is hit.
        streamed: names of the arrays that may stay on the host, where there are some. Their first
            axis is examples, `sample` takes rows of them, and a draw is these rows: `draw` returns
            `[num_steps, batch]` and does not read the data.
    """

    draw: Callable[[Data, jax.Array, jax.Array, int], Any]
    sample: Callable[[Data, Any], Batch]
    evaluation: Callable[[Data], dict[str, Batch]]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    correct: Callable[[jax.Array, jax.Array], jax.Array] | None
    chance_loss: float
    example_shape: tuple[int, ...]
    num_outputs: int
    steps_per_epoch: int | None
    augment: Augment | None = None
    is_hit: Callable[[jax.Array], jax.Array] | None = None
    streamed: tuple[str, ...] = ()


def load_data(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading | None = None) -> dict[str, np.ndarray]:
    """The arrays of a task, in host memory.

    Args:
        arm: resolved.
        root_seed: of the study, for what the task itself draws.
        data_dir: where prepared data are kept; `None` for the default.
        reading: is told what a person should know of the data.

    Raises:
        InputError: the data cannot be had, with the reason.
    """
    arrays = TASKS.load(arm.dataset).load(arm, root_seed, data_dir, reading or Reading())
    return controlled(arrays, arm.control, root_seed, arm.task_seed or 0)


def build_task(arm: Arm, data: Data) -> Task:
    """The functions of a task for arrays from `load_data`.

    Raises:
        InputError: the arm does not fit the data.
    """
    task: Task = TASKS.load(arm.dataset).build(arm, data)
    return task._replace(augment=make_augmentation(arm, task.example_shape))


def first_batch(task: Task, data: Data, key: jax.Array) -> Batch:
    """The first batch of a data order, with nothing on the device but that.

    Args:
        task: of the data.
        data: arrays on the host.
        key: of the `order` stream.
    """
    draws = task.draw(data, key, jnp.int32(0), 1)
    batch = task.sample(data, jax.tree.map(lambda leaf: leaf[0], draws))
    return Batch(*map(jnp.asarray, batch))


def fingerprint(data: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes of all arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(data):
        array = np.ascontiguousarray(data[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
