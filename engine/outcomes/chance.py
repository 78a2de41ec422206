"""The loss that counts as chance level: whose it is, and that of the best constant, from what is known of labels."""

import enum
import math
from collections.abc import Sequence

import numpy as np

from ..errors import InputError

_MAX_CLASSES = 10**9
# A loss counts as that of guessing among C classes if it is within this share of ln C.
_NEAR = 0.01


class ChanceOf(enum.StrEnum):
    """Whose loss counts as chance level: the best constant prediction's, untrained runs', or what a trainer gives."""

    CONSTANT = "constant"
    UNTRAINED = "untrained"
    TRAINER = "trainer"


def find_chance_loss(
    classes: int | None = None, class_counts: Sequence[float] | None = None, chance_loss: float | None = None
) -> float | None:
    """Returns the chance loss in nats, or `None` where nothing is given.

    It is ln C for C equally frequent classes, the entropy of the shares for counts of training examples by class, or
    given itself in the unit of the loss.
    """
    given = {"classes": classes, "class_counts": class_counts, "chance_loss": chance_loss}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InputError(f"--{names[0]} and --{names[1]} both say what guessing costs: give one")
    if classes is not None:
        if not 2 <= classes <= _MAX_CLASSES:
            raise InputError(f"classes={classes}: expected a whole number from 2 on")
        return math.log(classes)
    if class_counts is not None:
        return _entropy(class_counts)
    if chance_loss is not None and not 1e-30 < chance_loss < 1e30:
        raise InputError(f"chance_loss={chance_loss}: expected a positive number")
    return chance_loss


def _entropy(counts: Sequence[float]) -> float:
    values = np.asarray(counts, np.float64)
    is_right = np.isfinite(values) & (values >= 0)
    if not is_right.all():
        raise InputError(f"class_counts: {counts[int(np.argmin(is_right))]}: expected numbers from 0 on")
    values = values[values > 0]
    if len(values) < 2:
        raise InputError("class_counts: expected at least two classes with examples")
    shares = values / values.sum()
    return float(-np.sum(shares * np.log(shares)))


def suggest_classes(loss: float) -> int | None:
    """Returns the number of equally frequent classes with about this chance loss; above thirty, a round number."""
    if not 0.5 < loss < math.log(1000) + _NEAR:
        return None
    candidates = [*range(2, 31), *range(35, 101, 5), *range(150, 501, 50), *range(600, 1001, 100)]
    nearest = min(candidates, key=lambda number: abs(math.log(number) - loss))
    return nearest if abs(math.log(nearest) - loss) <= _NEAR * loss else None
