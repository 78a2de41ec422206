"""Which examples are trained on, which detect, and which are held out."""

import hashlib
from typing import NamedTuple

import numpy as np

_EVALUATION_BATCH = 64
_EVALUATION_EXAMPLES = 512
_MOST_HELD_OUT = 2048
# Few enough that each gives many examples, so that rounding its share does not matter.
_NUM_STRATA = 16


class Rows(NamedTuple):
    """Positions of examples.

    Attributes:
        training: increasing, `[num_training]`.
        loss: of the evaluation set that detects, taken from the training examples,
            `[num_batches, batch]`.
        held_out: the same of held-out examples.
    """

    training: np.ndarray
    loss: np.ndarray
    held_out: np.ndarray


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


def strata_of(values: np.ndarray) -> np.ndarray:
    """A number for each example, equal for those with targets of about the same size.

    Choices that keep their proportions keep the distribution of the targets.

    Args:
        values: targets of a regression, `[num_examples, num_outputs]`.
    """
    deviation = values.std(axis=0, dtype=np.float64)
    size = (values / np.where(deviation > 0, deviation, 1.0)).sum(axis=1)
    rank = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    return rank * _NUM_STRATA // max(1, len(values))


def split_rows(strata: np.ndarray, held_out: np.ndarray) -> Rows:
    """Training and evaluation rows of examples of which some are held out.

    The evaluation set is a stratified choice of at most 512 training examples, the held-out set one
    of at most 2,048 of those held out. Both are cut to whole batches of at most 64.

    Args:
        strata: class of each example, shape `[num_examples]`.
        held_out: positions of the examples that are never trained on, at least one.
    """
    training = np.setdiff1d(np.arange(len(strata)), held_out)
    num_evaluated = min(_EVALUATION_EXAMPLES, len(training))
    evaluated = training[stratified_choice(strata[training], num_evaluated, "evaluation")]
    if len(held_out) > _MOST_HELD_OUT:
        held_out = held_out[stratified_choice(strata[held_out], _MOST_HELD_OUT, "measured")]
    return Rows(training, _in_batches(evaluated, strata), _in_batches(held_out, strata))


def split_arrays(inputs: np.ndarray, labels: np.ndarray, held_out_fraction: float = 0.2) -> dict[str, np.ndarray]:
    """Training, evaluation and held-out arrays of a classification task.

    The held-out examples are a stratified choice; for the rest see `split_rows`.

    Args:
        inputs: shape `[num_examples, …]`, float32, in a fixed order.
        labels: shape `[num_examples]`, int32, classes from 0.
        held_out_fraction: share of the examples that are never trained on.
    """
    num_held_out = round(held_out_fraction * len(labels))
    rows = split_rows(labels, stratified_choice(labels, num_held_out, "held_out"))
    arrays = {"inputs": inputs[rows.training], "labels": labels[rows.training]}
    for name, batched in (("loss", rows.loss), ("held_out", rows.held_out)):
        arrays[f"{name}_inputs"] = inputs[batched]
        arrays[f"{name}_labels"] = labels[batched]
    return arrays


def _in_batches(rows: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Rows in equal batches, shape `[num_batches, batch]`, strata spread evenly over them."""
    num_batches = max(1, -(-len(rows) // _EVALUATION_BATCH))
    size = len(rows) // num_batches
    rows = rows[stratified_choice(strata[rows], size * num_batches, "batches")]
    order = rows[np.argsort(strata[rows], kind="stable")]
    return order.reshape(size, num_batches).T
