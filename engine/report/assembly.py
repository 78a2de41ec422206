"""Everything that a report shows of a study, from its finished runs."""

from typing import NamedTuple

from matplotlib.figure import Figure

from engine.errors import InputError
from engine.report.fate import Fate, make_fates
from engine.report.figures import make_figures, to_svg
from engine.report.page import make_page
from engine.report.summary import Summary, UnderWay, summarise
from engine.report.table import make_table
from engine.report.verdict import Verdict, make_verdict
from engine.store import WorkDirectory


class Assembled(NamedTuple):
    """A report before it is written.

    Attributes:
        summary: the numbers.
        fates: what the designs of the arms say, by arm.
        verdict: the words.
        table: header and rows.
        figures: by name.
        vectors: the same as SVG.
        page: the HTML.
    """

    summary: Summary
    fates: dict[str, Fate]
    verdict: Verdict
    table: tuple[list[str], list[list[str]]]
    figures: dict[str, Figure]
    vectors: dict[str, str]
    page: str


def assemble(directory: WorkDirectory, under_way: UnderWay | None = None) -> Assembled:
    """The report of what is finished.

    Args:
        directory: of the study.
        under_way: how far it is, where its launch goes on: then only what holds at every look is
            tested, and nothing is said of chance and fate.

    Raises:
        InputError: there is no finished run, or a part may not be read.
    """
    place = str(directory.path)
    summary = summarise(directory, under_way)
    if summary.failed and not summary.runs:
        raise InputError(
            f"all finished runs in {place!r} failed, so there is nothing to report: they "
            f"ended their worker again and again, often for want of memory"
        )
    if not summary.runs:
        raise InputError(f"no finished run in {place!r} yet: run the study first")
    fates = {} if under_way is not None else make_fates(summary)
    verdict = make_verdict(summary, fates)
    table = make_table(summary)
    figures = make_figures(summary, fates)
    vectors = {name: to_svg(figure, name) for name, figure in figures.items()}
    page = make_page(summary, verdict, table, vectors, directory.document, fates)
    return Assembled(summary, fates, verdict, table, figures, vectors, page)
