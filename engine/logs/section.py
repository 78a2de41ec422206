"""The report's section on what logs show by themselves, and the next step."""

from ..report.sections import Section
from ..report.summary import Summary
from ..store.run_table import RunTable

KEY = "signs"


def make_section(_: RunTable, summary: Summary) -> Section | None:
    """Shows what was seen when the logs were read; returns `None` where that was nothing, or for a study of our own."""
    signs = summary.document["study"].get(KEY)
    return Section(KEY, "What the logs show by themselves", signs, [], {}, signs) if signs else None
