"""Equal inputs with different labels.

Definition: above 2 % of the training examples have an exact copy with another label. No function of the inputs gets
both right. Source: Northcutt, Athalye and Mueller (2021), "Pervasive label errors in test sets", who find 3.4 % of all
labels wrong in ten common sets; copies are a small part of these. Inputs of few distinct values repeat by themselves,
so only data of which most examples are unique are judged; and it is a sign where copies may be coincidences, as among
the words of a text: where the features, were they independent, would have a collision entropy of fewer than 20 bits
beyond that of all pairs of examples. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_MOST, _FEWEST_UNIQUE = 0.02, 0.5
_SPARE_BITS = 20.0


def find(look: Look) -> Finding | None:
    """Finds copies of examples that contradict each other."""
    if not look.has_classes or not look.is_kept:
        return None
    rows, targets = look.training.rows, np.asarray(look.training.targets).ravel()
    if len(rows) != len(targets):
        return None
    _, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    least, most = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(least, group, targets)
    np.maximum.at(most, group, targets)
    share = float(np.mean((least != most)[group]))
    if share <= _MOST or (group.max() + 1) / len(rows) < _FEWEST_UNIQUE:
        return None
    return Finding(
        "contradicting_labels",
        "sign" if _may_repeat(rows) else "fault",
        f"{100 * share:.2g} % of the training examples have an exact copy with another label",
        "look at where copies come from, and which of their labels is right",
        causes.LABELS,
    )


def _may_repeat(rows: np.ndarray) -> bool:
    """Tells whether the features have so few values that examples may be equal by chance."""
    needed, bits = 2 * np.log2(len(rows)) + _SPARE_BITS, 0.0
    for column in rows.T:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        bits -= float(np.log2(np.sum(shares**2)))
        if bits >= needed:
            return False
    return True
