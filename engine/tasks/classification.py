"""Classification of examples that are held in arrays."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from engine.errors import InputError
from engine.tasks.task import Batch, Data, Task

_EVALUATION_BATCH = 64
_EVALUATION_EXAMPLES = 512


def stratified_choice(labels: np.ndarray, num_chosen: int, purpose: str) -> np.ndarray:
    """A fixed choice of examples with the class proportions of the whole.

    Every class gives its share, rounded by largest remainders, and within a class the examples
    with the smallest hash of (purpose, position) are taken. No generator is involved, so the
    choice is the same under every version of every library.

    Args:
        labels: class of each example, shape `[num_examples]`.
        num_chosen: how many to choose.
        purpose: a name; different purposes choose independently.

    Returns:
        Increasing positions, shape `[num_chosen]`.
    """
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * num_chosen / len(labels)
    quotas = np.floor(shares).astype(int)
    largest = np.argsort(quotas - shares, kind="stable")[: num_chosen - quotas.sum()]
    quotas[largest] += 1
    chosen = []
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        rank = sorted(members, key=lambda i: hashlib.sha256(f"{purpose} {i}".encode()).digest())
        chosen.extend(rank[:quota])
    return np.sort(np.asarray(chosen, dtype=np.int64))


def split_arrays(
    inputs: np.ndarray, labels: np.ndarray, held_out_fraction: float = 0.2
) -> dict[str, np.ndarray]:
    """Training, evaluation and held-out arrays of a classification task.

    The held-out examples are a stratified choice. The evaluation set is a stratified choice of at
    most 512 training examples. Both are cut to whole evaluation batches of at most 64.

    Args:
        inputs: shape `[num_examples, …]`, float32, in a fixed order.
        labels: shape `[num_examples]`, int32, classes from 0.
        held_out_fraction: share of the examples that are never trained on.
    """
    num_held_out = round(held_out_fraction * len(labels))
    held_out = stratified_choice(labels, num_held_out, "held_out")
    training = np.setdiff1d(np.arange(len(labels)), held_out)
    num_evaluated = min(_EVALUATION_EXAMPLES, len(training))
    evaluated = training[stratified_choice(labels[training], num_evaluated, "evaluation")]
    arrays = {"inputs": inputs[training], "labels": labels[training]}
    for name, rows in (("loss", evaluated), ("held_out", held_out)):
        batched = _in_batches(rows, labels)
        arrays[f"{name}_inputs"] = inputs[batched]
        arrays[f"{name}_labels"] = labels[batched]
    return arrays


def _in_batches(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows in equal batches, shape `[num_batches, batch]`, classes spread evenly over them."""
    num_batches = max(1, -(-len(rows) // _EVALUATION_BATCH))
    size = len(rows) // num_batches
    rows = rows[stratified_choice(labels[rows], size * num_batches, "batches")]
    order = rows[np.argsort(labels[rows], kind="stable")]
    return order.reshape(size, num_batches).T


def _entropy(labels: np.ndarray) -> float:
    """Entropy of the labels' marginal, in nats: the loss of the best constant prediction."""
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def classification_task(data: Data, batch_size: int) -> Task:
    """The task of the arrays from `split_arrays`.

    Epochs are real: every pass visits a fresh permutation of the training examples without
    replacement, in whole batches; what is left over is another remainder in every epoch.

    Args:
        data: host arrays; read for shapes and labels only.
        batch_size: examples in a mini-batch.

    Raises:
        InputError: a batch would be larger than the training set.
    """
    num_examples = len(data["labels"])
    if batch_size > num_examples:
        raise InputError(
            f"batch_size={batch_size}: expected at most the {num_examples} training examples"
        )
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
        return Batch(data["inputs"][draw], data["labels"][draw])

    def evaluation(data: Data) -> dict[str, Batch]:
        names = ("loss", "held_out")
        return {name: Batch(data[f"{name}_inputs"], data[f"{name}_labels"]) for name in names}

    def correct(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.argmax(outputs, axis=-1) == targets

    return Task(
        draw=draw,
        sample=sample,
        evaluation=evaluation,
        loss=optax.softmax_cross_entropy_with_integer_labels,
        correct=correct,
        chance_loss=_entropy(np.asarray(data["labels"])),
        example_shape=tuple(data["inputs"].shape[1:]),
        num_outputs=int(np.max(data["labels"])) + 1,
        steps_per_epoch=steps_per_epoch,
        streamed=("inputs", "labels"),
    )
