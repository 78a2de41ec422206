"""Equal inputs with different labels.

Definition: above 2 % of the training examples have an exact copy with another label. No function of the inputs gets
both right. Source: Northcutt, Athalye and Mueller (2021), "Pervasive label errors in test sets", who find 3.4 % of all
labels wrong in ten common sets; copies are a small part of these. Inputs of few distinct values repeat by themselves,
so only data of which most examples are unique are judged; and of whole numbers that name things, such as the words of a
text, what comes next may differ, so that it is a sign there. False alarms: see docs/check.md.
"""

import numpy as np

from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.preflight.look import Look

_MOST, _FEWEST_UNIQUE = 0.02, 0.5


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
        "fault" if look.has_numbers else "sign",
        f"{100 * share:.2g} % of the training examples have an exact copy with another label",
        "look at where copies come from, and which of their labels is right",
        causes.LABELS,
    )
