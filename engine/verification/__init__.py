"""Checks a study by running some of its runs once more: compares bits first, then distributions of outcomes."""

from engine.verification.agreement import Agreement, compare_rows
from engine.verification.sampling import Finished, Sample, draw_sample, find_finished, stored_rows
from engine.verification.verdict import VERDICTS, RunOrigin, Verification, conclude, to_document
from engine.verification.words import describe_run, summarise_in_words

__all__ = [
    "VERDICTS",
    "Agreement",
    "Finished",
    "RunOrigin",
    "Sample",
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
