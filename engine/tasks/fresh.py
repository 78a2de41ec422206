"""Tasks without passes over stored examples: drawn at every step, or all of them in every step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from engine.tasks.passes import evaluation_sets
from engine.tasks.regression import error_of_constant, squared_error
from engine.tasks.task import Batch, Data, Task


def draw_keys(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
    """A key for each step, `[num_steps]`, that depends on the step and the order stream alone."""
    return jax.vmap(lambda i: jax.random.fold_in(key, first_step + i))(jnp.arange(num_steps))


def draw_nothing(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
    """What a step needs of the order stream where it sees all examples: nothing."""
    return jnp.zeros(num_steps)


def half_square_task(
    draw: Callable[[Data, jax.Array, jax.Array, int], Any], sample: Callable[[Data, Any], Batch], data: Data
) -> Task:
    """The task of one target under the loss ½(y − ŷ)², as theories write it.

    Chance is half the variance of the evaluation targets.

    Args:
        draw, sample: as of a `Task`.
        data: host arrays of both evaluation sets; read for shapes and targets only.
    """

    def evaluation(data: Data) -> dict[str, Batch]:
        return evaluation_sets(data, "targets")

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return 0.5 * squared_error(outputs, targets)

    targets = np.asarray(data["loss_targets"], np.float64)
    return Task(
        draw=draw,
        sample=sample,
        evaluation=evaluation,
        loss=loss,
        correct=None,
        chance_loss=0.5 * error_of_constant(targets, float(np.mean(targets))),
        example_shape=(int(data["loss_inputs"].shape[-1]),),
        num_outputs=1,
        steps_per_epoch=None,
    )
