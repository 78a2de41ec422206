"""Classification of examples that are held in arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from engine.tasks.passes import make_passes
from engine.tasks.task import Data, Task


def _entropy(labels: np.ndarray) -> float:
    """Entropy of the labels' marginal, in nats: the loss of the best constant prediction."""
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def classification_task(data: Data, batch_size: int) -> Task:
    """The task of the arrays from `split_arrays`: cross-entropy in nats, in real epochs.

    Args:
        data: host arrays; read for shapes and labels only.
        batch_size: examples in a mini-batch.

    Raises:
        InputError: a batch would be larger than the training set.
    """

    def correct(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.argmax(outputs, axis=-1) == targets

    return Task(
        **make_passes(data, batch_size, "labels")._asdict(),
        loss=optax.softmax_cross_entropy_with_integer_labels,
        correct=correct,
        chance_loss=_entropy(np.asarray(data["labels"])),
        num_outputs=int(np.max(data["labels"])) + 1,
    )
