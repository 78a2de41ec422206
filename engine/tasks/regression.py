"""Regression on targets that are held in arrays."""

import jax
import jax.numpy as jnp
import numpy as np

from engine.tasks.passes import make_passes
from engine.tasks.task import Data, Task


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The squared error of each example, `[…]`: its mean over the outputs, the last axis.

    A mean, so that its size and that of its gradient do not grow with the number of outputs.
    """
    return jnp.mean((outputs - targets) ** 2, axis=-1)


def error_of_constant(targets: np.ndarray, constant: np.ndarray | float) -> float:
    """The mean `squared_error` of one prediction for all examples, in double precision.

    Args:
        targets: shape `[…, num_outputs]`.
        constant: shape `[num_outputs]`, or one for all; with the mean of the targets it is
            their variance.
    """
    return float(np.mean((np.asarray(targets, np.float64) - constant) ** 2))


def regression_task(data: Data, batch_size: int) -> Task:
    """The task of arrays with targets `[num_examples, num_outputs]`: squared error, real epochs.

    Chance is the loss of the best constant, which is the mean of the training targets: their
    variance. It is measured where the curve is, on the evaluation set, so that a network that has
    learned nothing but that constant is at chance exactly.

    Args:
        data: host arrays; read for shapes and targets only.
        batch_size: examples in a mini-batch.

    Raises:
        InputError: a batch would be larger than the training set.
    """
    best = np.mean(np.asarray(data["targets"], np.float64), axis=0)
    return Task(
        **make_passes(data, batch_size, "targets")._asdict(),
        loss=squared_error,
        correct=None,
        chance_loss=error_of_constant(data["loss_targets"], best),
        num_outputs=int(data["targets"].shape[-1]),
    )
