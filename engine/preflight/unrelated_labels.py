"""Labels that the inputs do not tell, as far as simple readings see.

Definition: on held-out examples neither the five nearest neighbours nor a ridge regression on standardised inputs
predict the targets better than a constant does, at a level of 1 % each in a one-sided test (of classes: the number of
right answers, binomial against the most frequent class; of values: the correlation of prediction and target). With 200
held-out examples or more, 20 of them not of the most frequent class, and classes that a linear rule tells at all, both
fail together in fewer than 1 % of sets. A rule such as parity or a sum modulo p is told by neither and is a rule all
the same, so this is a sign, not a fault. Source: Cover and Hart (1967), "Nearest neighbor pattern classification".
False alarms: see docs/check.md.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from ..tasks.registry import BY_RULE
from . import causes, other_mixture
from .findings import Finding
from .look import Examples, Look

LEVEL, _SURE = 0.01, 1e-6
_NEIGHBOURS = 5
_FEWEST, _FEWEST_OTHERS = 50, 20
_MOST_HELD_OUT, _MOST_FEATURES = 512, 4096


class Readings(NamedTuple):
    """How likely predictions of the held-out targets are as good as they are if the inputs tell nothing: p-values."""

    neighbours: float
    linear: float


def find(look: Look) -> Finding | None:
    """Finds targets that neither neighbours nor a linear reading of the inputs predict."""
    if not are_unread(look) or is_told_within(look):
        return None
    return Finding(
        "unrelated_labels",
        "sign",
        "on held-out examples neither the nearest neighbours nor a linear model of the inputs predicts the targets "
        "better than a constant does: they do not belong to these inputs, or their rule is one that neither can read",
        "look at some examples with their labels after loading and shuffling: do they still belong together?",
        causes.HARD if look.arm.dataset in BY_RULE else causes.LABELS,
    )


def are_unread(look: Look) -> bool:
    """Tells whether neither reading predicts the held-out targets."""
    readings = read_targets(look)
    return readings is not None and min(readings) >= LEVEL


def is_told_within(look: Look) -> bool:
    """Tells whether a reading predicts training targets from others, and the held-out examples are of the same kind."""
    if other_mixture.find(look) is not None:
        return False
    inputs, targets = look.training
    halves = [Examples(inputs[first::2], targets[first::2]) for first in (0, 1)]
    within = read_targets(look._replace(training=halves[0], held_out=halves[1]))
    return within is not None and min(within) < _SURE


def read_targets(look: Look) -> Readings | None:
    """Predicts the held-out targets by neighbours and by a linear model; returns `None` where that says nothing."""
    inputs, others = look.training.rows, look.held_out.rows[:_MOST_HELD_OUT]
    if not look.has_numbers or len(others) < _FEWEST or inputs.shape[1] > _MOST_FEATURES:
        return None
    deviation = inputs.std(axis=0)
    if not deviation.any():
        return None
    inputs, others = (
        (rows - inputs.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0) for rows in (inputs, others)
    )
    targets, truth = look.training.targets, look.held_out.targets[: len(others)]
    if look.has_classes:
        if targets.ndim != 1:
            return None
        values = np.eye(int(targets.max()) + 1)[targets.astype(int)]
    else:
        values = np.asarray(targets, np.float64).reshape(len(targets), -1)
    if look.has_classes and np.sum(truth != np.bincount(truth.astype(int)).argmax()) < _FEWEST_OTHERS:
        return None
    test = _class_p_value if look.has_classes else _value_p_value
    return Readings(*(test(read(inputs, values, others), truth, values) for read in (_by_neighbours, _by_ridge)))


def _by_neighbours(inputs: np.ndarray, values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the mean of the values of the nearest training examples, `[num_others, num_values]`."""
    distances = (inputs**2).sum(axis=1) - 2 * others @ inputs.T
    number = min(_NEIGHBOURS, len(inputs))
    nearest = np.argpartition(distances, number - 1, axis=1)[:, :number]
    return np.asarray(values[nearest].mean(axis=1))


def _by_ridge(inputs: np.ndarray, values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the prediction of a ridge regression, with a penalty of one hundredth of the mean variance."""
    mean, (num_examples, num_features) = values.mean(axis=0), inputs.shape
    gram = inputs.T @ inputs + 0.01 * num_examples * np.eye(num_features)
    return np.asarray(others @ np.linalg.solve(gram, inputs.T @ (values - mean)) + mean)


def _class_p_value(predicted: np.ndarray, truth: np.ndarray, values: np.ndarray) -> float:
    """Tests whether more answers are right than those of the most frequent class."""
    truth = truth.astype(int).ravel()
    most = max(values.mean(axis=0).max(), np.bincount(truth).max() / len(truth))
    num_right = int(np.sum(predicted.argmax(axis=1) == truth))
    return float(stats.binomtest(num_right, len(truth), most, alternative="greater").pvalue)


def _value_p_value(predicted: np.ndarray, truth: np.ndarray, values: np.ndarray) -> float:
    """Tests whether any predicted value goes with its target, after Bonferroni over the values."""
    truth = np.asarray(truth, np.float64).reshape(predicted.shape)
    pairs = [(p, t) for p, t in zip(predicted.T, truth.T, strict=True) if np.ptp(p) > 0 and np.ptp(t) > 0]
    p_values = [stats.pearsonr(p, t, alternative="greater").pvalue for p, t in pairs]
    return min([1.0, *(len(pairs) * float(p) for p in p_values)])
