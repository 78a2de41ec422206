"""Tasks without passes over stored examples: examples are drawn at every step, or every step sees all of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from engine.tasks.passes import error_of_constant, evaluation_sets, squared_error
from engine.tasks.task import Batch, Data, Task


def draw_keys(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
    """Returns a key for each step, `[num_steps]`, that depends on the step and the order stream alone."""
    return jax.vmap(lambda i: jax.random.fold_in(key, first_step + i))(jnp.arange(num_steps))


def draw_nothing(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
    """Returns an empty draw for steps that see all examples."""
    return jnp.zeros(num_steps)


def half_square_task(
    draw: Callable[[Data, jax.Array, jax.Array, int], Any], sample: Callable[[Data, Any], Batch], data: Data
) -> Task:
    """Returns the task of one target under the loss ½(y − ŷ)²; chance is half the evaluation targets' variance."""
    targets = np.asarray(data["loss_targets"], np.float64)
    return Task(
        draw=draw,
        sample=sample,
        evaluation=evaluation_sets("targets"),
        loss=lambda outputs, targets: 0.5 * squared_error(outputs, targets),
        chance_loss=0.5 * error_of_constant(targets, float(np.mean(targets))),
        example_shape=(int(data["loss_inputs"].shape[-1]),),
        num_outputs=1,
    )
