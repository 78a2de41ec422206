"""Subjects of the report beyond how often and when: each has its words, its tables and figures.

To add one, write a module with `make_topic` and name it in `TOPICS`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from engine.report.summary import Summary
from engine.store import WorkDirectory

# Modules with `make_topic(directory, summary)`, in the order of the page.
TOPICS: tuple[str, ...] = ("engine.diagnosis.section", "engine.theory.section", "engine.report.probes")


class TopicTable(NamedTuple):
    """A table of a topic, as text.

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
    """A figure of a topic.

    Attributes:
        draw: makes it, see `engine.report.canvas`.
        caption: one or two sentences.
    """

    draw: Callable[[], Figure]
    caption: str


class Topic(NamedTuple):
    """One subject of the report.

    Attributes:
        key: under which `summary.json` holds it.
        title: of its part of the page.
        lines: paragraphs, before everything else.
        tables: at the end.
        drawings: by file name, which no other topic may use; after the paragraphs.
        document: its numbers for `summary.json`, of plain types; nothing infinite.
        headline: that takes the place of the report's own, where the topic is the answer to what
            was asked, and comes first on the page; else `None`.
        answers: questions of the report that it answers in the place of the report.
        points: sentences by heading, between figures and tables.
    """

    key: str
    title: str
    lines: list[str]
    tables: list[TopicTable]
    drawings: dict[str, Drawing]
    document: Any
    headline: str | None = None
    answers: tuple[str, ...] = ()
    points: Mapping[str, list[str]] = {}


def make_topics(directory: WorkDirectory, summary: Summary) -> list[Topic]:
    """What there is to say of a study besides how often and when, in the order of the page.

    Args:
        directory: of the study.
        summary: its numbers, of a study that is over.
    """
    made = (importlib.import_module(name).make_topic(directory, summary) for name in TOPICS)
    return [topic for topic in made if topic is not None]
