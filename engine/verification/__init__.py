"""Is a study what it says? Some of its runs once more, compared by bits, then in distribution."""

from engine.verification.agreement import Agreement, StoredRow, compare_rows
from engine.verification.outcomes import OutcomeAgreement, compare_outcomes
from engine.verification.sampling import (
    Finished,
    Sample,
    draw_sample,
    find_finished,
    is_repetition,
    stored_rows,
)
from engine.verification.surroundings import changed_surroundings
from engine.verification.verdict import VERDICTS, Verification, decide, to_document
from engine.verification.words import describe_run, summarise_in_words

__all__ = [
    "VERDICTS",
    "Agreement",
    "Finished",
    "OutcomeAgreement",
    "Sample",
    "StoredRow",
    "Verification",
    "changed_surroundings",
    "compare_outcomes",
    "compare_rows",
    "decide",
    "describe_run",
    "draw_sample",
    "find_finished",
    "is_repetition",
    "stored_rows",
    "summarise_in_words",
    "to_document",
]
