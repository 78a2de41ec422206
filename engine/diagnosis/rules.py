"""What a row of the decision table is."""

from collections.abc import Callable
from typing import NamedTuple

from ..preflight.findings import Finding
from .evidence import Evidence

RELIEVES = (
    "makes most runs leave chance level, a fifth more of all than as given, or in half the time where most as given do "
    "not"
)
LOOK_LONGER = (
    "First look longer: give a longer --horizon or more --minutes. Nothing that was tried was seen, beyond chance, to "
    "help by enough."
)


class Rule(NamedTuple):
    """A row of the table; `condition` is what `holds` asks, in words.

    `first` returns the change to make first, an arm, or `None`; `advice` is what to do first where no change is known
    to help. `finding` returns the finding that a row rests on, whose advice comes before that.
    """

    key: str
    verdict: str
    condition: str
    holds: Callable[[Evidence], bool]
    first: Callable[[Evidence], str | None] = lambda evidence: None
    meaning: str = ""
    advice: str = LOOK_LONGER
    finding: Callable[[Evidence], Finding | None] = lambda evidence: None
