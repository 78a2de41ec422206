"""Checks a study by running some of its runs once more: compares bits first, then distributions of outcomes."""

from .verdict import VERDICTS

__all__ = ["VERDICTS"]
