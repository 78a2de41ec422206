"""Checks a study by running some of its runs once more: compares bits first, then distributions of outcomes."""

from engine.verification.verdict import VERDICTS

__all__ = ["VERDICTS"]
