"""Is a study what it says? Some of its runs once more, compared by bits, then in distribution."""

from engine.verification.agreement import Agreement, StoredRow, compare_rows
from engine.verification.sampling import Finished, Sample, draw_sample, find_finished, stored_rows
from engine.verification.verdict import VERDICTS, Origin, Verification, conclude, to_document
from engine.verification.words import describe_run, summarise_in_words

__all__ = [
    "VERDICTS",
    "Agreement",
    "Finished",
    "Origin",
    "Sample",
    "StoredRow",
    "Verification",
    "compare_rows",
    "conclude",
    "describe_run",
    "draw_sample",
    "find_finished",
    "stored_rows",
    "summarise_in_words",
    "to_document",
]
