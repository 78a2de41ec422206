"""Chooses which examples are trained on, which detect, and which are held out."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Share of the examples that are never trained on, where neither the data nor an option says which.
HELD_OUT_FRACTION = 0.2
_EVALUATION_BATCH = 64
_EVALUATION_EXAMPLES = 512
_MOST_HELD_OUT = 2048
# Few enough that each has many examples, and rounding its share does not matter.
_NUM_STRATA = 16


class Rows(NamedTuple):
    """Increasing training positions `[num_training]`, and evaluation sets `[num_batches, batch]`; `loss` detects."""

    training: np.ndarray
    loss: np.ndarray
    held_out: np.ndarray


def stratified_choice(labels: np.ndarray, num_chosen: int, purpose: str) -> np.ndarray:
    """Chooses examples with the class proportions of the whole; returns increasing positions, `[num_chosen]`.

    Every class gives its share, rounded by largest remainders, and within a class the examples with the smallest hash
    of (purpose, position). Without a generator, the choice is the same under every version of every library.
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


def near_one(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 values `[num_examples, num_outputs]` of at most one, and the powers of two that were taken away.

    No digit changes, and squares have a place: those of 1e-200 or 1e200 have none even in double precision.
    """
    _, exponents = np.frexp(np.max(np.abs(values), axis=0))
    return np.ldexp(values.astype(np.float64), -exponents), exponents


def strata_of(values: np.ndarray) -> np.ndarray:
    """Returns a stratum for each example by the size of its targets `[num_examples, num_outputs]`."""
    values = near_one(values)[0].astype(np.float32)
    deviation = values.std(axis=0, dtype=np.float64)
    size = (values / np.where(deviation > 0, deviation, 1.0)).sum(axis=1)
    rank = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    return rank * _NUM_STRATA // max(1, len(values))


def split_rows(strata: np.ndarray, held_out: np.ndarray) -> Rows:
    """Chooses the rows: stratified evaluation sets of at most 512 training and 2,048 held-out examples."""
    training = np.setdiff1d(np.arange(len(strata)), held_out)
    num_evaluated = min(_EVALUATION_EXAMPLES, len(training))
    evaluated = training[stratified_choice(strata[training], num_evaluated, "evaluation")]
    if len(held_out) > _MOST_HELD_OUT:
        held_out = held_out[stratified_choice(strata[held_out], _MOST_HELD_OUT, "measured")]
    return Rows(training, _in_batches(evaluated, strata), _in_batches(held_out, strata))


def arrays_of(
    inputs: np.ndarray, targets: np.ndarray, rows: Rows, scale: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> dict[str, np.ndarray]:
    """Returns a task's arrays: scaled `inputs` and `labels` or `targets`, and those of `loss_…` and `held_out_…`."""
    name = "labels" if targets.ndim == 1 else "targets"
    arrays = {}
    for prefix, part in (("", rows.training), ("loss_", rows.loss), ("held_out_", rows.held_out)):
        arrays[f"{prefix}inputs"], arrays[prefix + name] = scale(inputs[part]), targets[part]
    return arrays


def split_examples(labels: np.ndarray) -> Rows:
    """Chooses the rows of examples with labels, a stratified fifth of them held out."""
    return split_rows(labels, stratified_choice(labels, round(HELD_OUT_FRACTION * len(labels)), "held_out"))


def split_arrays(inputs: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the arrays of a classification task, with a stratified fifth held out, see `arrays_of`."""
    return arrays_of(inputs, labels, split_examples(labels))


def _in_batches(rows: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Returns rows in equal batches, `[num_batches, batch]`, strata spread evenly over them."""
    num_batches = max(1, -(-len(rows) // _EVALUATION_BATCH))
    size = len(rows) // num_batches
    rows = rows[stratified_choice(strata[rows], size * num_batches, "batches")]
    order = rows[np.argsort(strata[rows], kind="stable")]
    return order.reshape(size, num_batches).T
