"""Tasks over examples in arrays, in real epochs, and tasks whose examples are drawn at every step or all seen in it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from ..arms.arm import Arm
from ..errors import InputError
from ..losses import Targets, are_tokens, most_likely_is_right, next_token
from .parts import shape_of
from .task import Batch, Data, Task


def array_task(arm: Arm, data: Data) -> Task:
    """Returns the task of a resolved arm: classification where the arrays have `labels`, else regression.

    Whole numbers as `targets` `[num_examples, positions]` are tokens, one for each position.

    With `targets` `[num_examples, num_outputs]` the loss is the squared error. Chance is that of the best constant, the
    mean of the training targets, on the evaluation set like the curve: a network that has learned nothing else is at
    chance exactly.
    """
    if "labels" in data:
        _refuse_vocabulary(arm)
        return classification_task(data, arm.batch_size)
    if are_tokens(data["targets"]):
        return _token_task(arm, data)
    _refuse_vocabulary(arm)
    best = np.mean(np.asarray(data["targets"], np.float64), axis=0)
    return Task(
        **_passes(data, arm.batch_size, "targets"),
        loss=squared_error,
        chance_loss=error_of_constant(data["loss_targets"], best),
        num_outputs=int(data["targets"].shape[-1]),
    )


def _refuse_vocabulary(arm: Arm) -> None:
    if arm.vocabulary is not None:
        raise InputError(f"vocabulary={arm.vocabulary} has no effect: the targets are no tokens, see --target_kind")


def _token_task(arm: Arm, data: Data) -> Task:
    targets = np.asarray(data["targets"])
    parts = [(data[f"{part}inputs"], data[f"{part}targets"]) for part in ("", "loss_", "held_out_")]
    least = 1 + max(int(np.max(tokens)) for _, tokens in parts)
    # What is read is written in the same tokens as what is told.
    are_read = all(read.shape == tokens.shape and np.array_equal(read, np.rint(read)) for read, tokens in parts)
    number = arm.vocabulary or max(least, *(1 + int(np.max(read)) for read, _ in parts if are_read), 0)
    if number < least:
        raise InputError(f"vocabulary={number}: expected at least {least}, because a token {least - 1} occurs")
    loss = next_token.make(Targets(targets, number), {})
    assert loss.chance is not None
    return Task(
        **_passes(data, arm.batch_size, "targets"),
        loss=loss.of_examples,
        correct=loss.correct,
        chance_loss=loss.chance,
        num_outputs=number,
        num_positions=targets.shape[1],
    )


def classification_task(data: Data, batch_size: int) -> Task:
    """Returns the task of arrays with `labels`: cross-entropy in nats. Chance is the entropy of the labels."""

    labels = np.asarray(data["labels"])
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return Task(
        **_passes(data, batch_size, "labels"),
        loss=optax.softmax_cross_entropy_with_integer_labels,
        correct=most_likely_is_right,
        chance_loss=float(-np.sum(shares * np.log(shares))),
        # One batch over and over may have no example of the last class.
        num_outputs=1 + max(int(np.max(data[name])) for name in ("labels", "held_out_labels") if name in data),
    )


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns the squared error of each example, `[…]`: its mean over the outputs, the last axis."""
    return jnp.mean((outputs - targets) ** 2, axis=-1)


def error_of_constant(targets: np.ndarray, constant: np.ndarray | float) -> float:
    """Returns the mean `squared_error` of one prediction for all targets `[…, num_outputs]`, in double precision."""
    return float(np.mean((np.asarray(targets, np.float64) - constant) ** 2))


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
        loss=lambda outputs, targets: 0.5 * squared_error(outputs, targets),
        chance_loss=0.5 * error_of_constant(targets, float(np.mean(targets))),
        example_shape=(int(data["loss_inputs"].shape[-1]),),
        num_outputs=1,
    )


def _passes(data: Data, batch_size: int, targets: str) -> dict[str, Any]:
    """Returns a `Task`'s fields for epochs, each a fresh permutation in whole batches without the remainder."""
    num_examples = len(data[targets])
    if batch_size > num_examples:
        raise InputError(f"batch_size={batch_size}: expected at most the {num_examples} training examples")
    steps_per_epoch = num_examples // batch_size

    def draw(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
        def epoch_batches(epoch: jax.Array) -> jax.Array:
            order = jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)
            return order[: steps_per_epoch * batch_size].reshape(steps_per_epoch, batch_size)

        first_epoch = first_step // steps_per_epoch
        # Aligned blocks of steps that divide an epoch never reach into the next one.
        is_within = steps_per_epoch % num_steps == 0
        num_epochs = 1 if is_within else (num_steps + steps_per_epoch - 2) // steps_per_epoch + 1
        batches = jax.vmap(epoch_batches)(first_epoch + jnp.arange(num_epochs))
        batches = batches.reshape(num_epochs * steps_per_epoch, batch_size)
        return lax.dynamic_slice_in_dim(batches, first_step - first_epoch * steps_per_epoch, num_steps)

    return {
        "draw": draw,
        "sample": lambda data, draw: Batch(data["inputs"][draw], data[targets][draw]),
        "example_shape": shape_of(data),
        "steps_per_epoch": steps_per_epoch,
        "streamed": ("inputs", targets),
    }
