"""Sections of the report beyond how often and when: each has its words, tables and figures.

To add one, write a module with `make_section(table, summary)`, which returns a `Section` or `None`, and name it in
`SECTIONS`. What it declares as `OPTIONS` it is given by name.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arms.options import fill_owned, owned
from ..registry import Registry
from ..store.run_table import RunTable
from .summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In the order of the page.
SECTIONS = Registry(
    "section",
    {
        "diagnosis": ".diagnosis.section",
        "signs": ".logs.section",
        "phase_diagram": ".report.phase_diagram",
        "theory": ".theory.section",
        "diagnostics": ".report.probes",
        "origins": ".report.origins",
    },
)


class SectionTable(NamedTuple):
    """A table of text.

    Attributes:
        is_of_words: whether its cells are words rather than numbers.
        is_folded: whether the section that a page begins with shows it only when it is asked for.
    """

    caption: str
    header: list[str]
    rows: list[list[str]]
    is_of_words: bool = False
    is_folded: bool = False


class Drawing(NamedTuple):
    """A figure that is drawn when it is asked for, see `engine.report.canvas`, and its caption."""

    draw: "Callable[[], Figure]"
    caption: str


class Section(NamedTuple):
    """One section of the report. The page shows its parts in the order of the attributes here.

    Attributes:
        key: under which `summary.json` holds `document`.
        lines: paragraphs.
        drawings: by file name, which must be unique in the report.
        points: sentences by heading.
        document: numbers of plain types, none of them infinite.
        headline: replaces that of the report where the section answers what was asked, and puts the section first; else
            None.
        answers: questions of the report that the section answers in its place.
        remedy: arm that the page shows beside the baseline where the section puts one first.
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
    remedy: str | None = None


def make_sections(table: RunTable, summary: Summary, given: Mapping[str, Any]) -> list[Section]:
    """Makes the sections in which there is something to say, in the order of the page, with the options given.

    Raises:
        InputError: an option is unknown, or its value is not usable.
    """
    options, made = fill_owned(SECTIONS, list(SECTIONS), given), []
    for name in SECTIONS:
        own = {key: options[key] for key in owned(SECTIONS, [name])}
        made.append(SECTIONS.load(name).make_section(table, summary, **own))
    return [section for section in made if section is not None]
