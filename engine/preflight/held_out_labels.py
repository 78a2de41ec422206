"""Held-out labels that follow another rule than those that are trained on.

Definition: the nearest neighbours, or a ridge regression, predict the targets of one half of the training examples from
the other at a level of one in a million, and neither predicts the held-out ones from all of them at 1 %, by the tests
of `unrelated_labels`; and the held-out examples are not of another kind (see `other_mixture`). Labels of the training
set for the test set do that, or classes that two folders number in two ways. False alarms: by chance fewer than one in
a million; see docs/check.md.
"""

from . import causes
from .findings import Finding
from .look import Look
from .unrelated_labels import are_unread, is_told_within


def find(look: Look) -> Finding | None:
    """Finds held-out targets that are not told by what tells those of the training."""
    if not are_unread(look) or not is_told_within(look):
        return None
    return Finding(
        "held_out_labels",
        "fault",
        "neighbours or a linear model tell the targets of some training examples from the others, but not those of the "
        "held-out examples: these do not belong to their inputs, or are numbered in another way",
        "load the held-out examples by the same code as the training ones, and compare some with their labels",
        causes.LABELS,
    )
