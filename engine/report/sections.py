"""Sections of the report beyond how often and when: each has its words, tables and figures.

To add one, write a module with `make_section` and name it in `SECTIONS`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from engine.report.summary import Summary
from engine.store.run_table import RunTable

# Modules with `make_section(table, summary)`, which returns a `Section` or None, in the order of the page.
SECTIONS: tuple[str, ...] = ("engine.diagnosis.section", "engine.theory.section", "engine.report.probes")


class SectionTable(NamedTuple):
    """A table of a section, as text.

    Attributes:
        caption: one sentence.
        header: one cell per column.
        rows: each as long as the header.
        is_of_words: whether its cells are words rather than numbers.
    """

    caption: str
    header: list[str]
    rows: list[list[str]]
    is_of_words: bool = False


class Drawing(NamedTuple):
    """A figure that is drawn when it is asked for, see `engine.report.canvas`, and its caption."""

    draw: Callable[[], Figure]
    caption: str


class Section(NamedTuple):
    """One section of the report. The page shows its parts in the order of the attributes here.

    Attributes:
        key: under which `summary.json` holds `document`.
        title: of the section.
        lines: paragraphs.
        drawings: by file name, which must be unique in the report.
        points: sentences by heading.
        tables: at the end.
        document: numbers of plain types, none of them infinite.
        headline: replaces that of the report where the section answers what was asked; the
            section then comes first on the page. Else None.
        answers: questions of the report that the section answers in its place.
    """

    key: str
    title: str
    lines: list[str]
    tables: list[SectionTable]
    drawings: dict[str, Drawing]
    document: Any
    headline: str | None = None
    answers: tuple[str, ...] = ()
    points: Mapping[str, list[str]] = {}


def make_sections(table: RunTable, summary: Summary) -> list[Section]:
    """Makes the sections that there is something to say in, in the order of the page.

    Args:
        table: the finished runs of the study.
        summary: its numbers, of a study that is over.
    """
    made = (importlib.import_module(name).make_section(table, summary) for name in SECTIONS)
    return [section for section in made if section is not None]
