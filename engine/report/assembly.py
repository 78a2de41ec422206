"""A report before it is written: everything that it shows of a study."""

from typing import NamedTuple

from engine.report.canvas import to_svg
from engine.report.findings import Findings, find
from engine.report.page import make_page
from engine.report.summary import UnderWay
from engine.store import WorkDirectory


class Assembled(NamedTuple):
    """A report before it is written.

    Attributes:
        findings: what it says.
        vectors: its figures as SVG, by name.
        page: the HTML.
    """

    findings: Findings
    vectors: dict[str, str]
    page: str


def assemble(directory: WorkDirectory, under_way: UnderWay | None = None) -> Assembled:
    """The report of what is finished.

    Args:
        directory: of the study.
        under_way: how far it is, where its launch goes on.

    Raises:
        InputError: there is no finished run, or a part may not be read.
    """
    return lay_out(directory, find(directory, under_way))


def lay_out(directory: WorkDirectory, findings: Findings) -> Assembled:
    """The report of what was found."""
    summary = findings.summary
    vectors = {name: to_svg(figure, name) for name, figure in findings.figures.items()}
    table = findings.header, findings.rows
    about = directory.document, findings.splits, findings.sections
    page = make_page(summary, findings.verdict, table, vectors, *about)
    return Assembled(findings, vectors, page)
