"""Subjects of the report beyond how often and when: each has its words, its tables and figures.

To add one, write a module with `make_section` and name it in `SECTIONS`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from engine.report.summary import Summary
from engine.store import WorkDirectory

# Modules with `make_section(directory, summary)`, in the order of the page.
SECTIONS: tuple[str, ...] = ("engine.diagnosis.section", "engine.theory.section", "engine.report.probes")


class SectionTable(NamedTuple):
    """A table of a section, as text.

    Attributes:
        caption: one sentence.
        header: of the columns.
        rows: of cells, each as long as the header.
        is_of_words: whether its cells are words rather than numbers.
    """

    caption: str
    header: list[str]
    rows: list[list[str]]
    is_of_words: bool = False


class Drawing(NamedTuple):
    """A figure of a section.

    Attributes:
        draw: makes it, see `engine.report.canvas`.
        caption: one or two sentences.
    """

    draw: Callable[[], Figure]
    caption: str


class Section(NamedTuple):
    """One subject of the report.

    Attributes:
        key: under which `summary.json` holds it.
        title: of its part of the page.
        lines: paragraphs, before everything else.
        tables: at the end.
        drawings: by file name, which no other section may use; after the paragraphs.
        document: its numbers for `summary.json`, of plain types; nothing infinite.
        headline: that takes the place of the report's own, where the section is the answer to what
            was asked, and comes first on the page; else `None`.
        answers: questions of the report that it answers in the place of the report.
        points: sentences by heading, between figures and tables.
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


def make_sections(directory: WorkDirectory, summary: Summary) -> list[Section]:
    """What there is to say of a study besides how often and when, in the order of the page.

    Args:
        directory: of the study.
        summary: its numbers, of a study that is over.
    """
    made = (importlib.import_module(name).make_section(directory, summary) for name in SECTIONS)
    return [section for section in made if section is not None]
