"""Everything a report says of a study, before any of it is written."""

from typing import Any, NamedTuple

from engine.errors import InputError
from engine.report.arm_table import make_table
from engine.report.cautions import make_cautions
from engine.report.figures import Figures, make_figures
from engine.report.sections import Section, make_sections
from engine.report.summary import Summary, UnderWay, summarise, to_document
from engine.report.variance_split import VarianceSplit, split_variances
from engine.report.verdict import Verdict, make_verdict
from engine.store import WorkDirectory


class Findings(NamedTuple):
    """What the finished runs of a study say.

    Attributes:
        summary: the numbers.
        splits: what the designs of the arms say, by arm.
        verdict: the words.
        document: content of `summary.json`.
        sections: further subjects of the page.
        header, rows: the short table.
        figures: by name; each is drawn when it is asked for.
    """

    summary: Summary
    splits: dict[str, VarianceSplit]
    verdict: Verdict
    document: dict[str, Any]
    sections: list[Section]
    header: list[str]
    rows: list[list[str]]
    figures: Figures


def find(directory: WorkDirectory, under_way: UnderWay | None = None) -> Findings:
    """Reads what a work directory holds, and writes nothing.

    Args:
        directory: of the study.
        under_way: how far it is, where its launch goes on: then only what holds at every look is
            tested, and nothing is said of chance and fate.

    Raises:
        InputError: no arm has finished its first seed, or all runs failed.
    """
    summary = summarise(directory, under_way)
    if summary.failed and not summary.runs:
        raise InputError(
            f"all finished runs in {str(directory.path)!r} failed, so there is nothing to report: "
            f"they ended their worker again and again, often for want of memory"
        )
    if not summary.runs:
        raise InputError(
            f"no finished run in {str(directory.path)!r} yet that statistics can begin with, the "
            f"first seed of an arm: run the study first"
        )
    splits = {} if under_way is not None else split_variances(summary)
    sections = [] if under_way is not None else make_sections(directory, summary)
    verdict = make_verdict(summary, splits)
    for section in sections:
        if section.headline is not None:
            others = {q: a for q, a in verdict.answers.items() if q not in section.answers}
            verdict = verdict._replace(headline=section.headline, answers=others)
    document = to_document(summary, verdict._asdict(), splits)
    document.update({section.key: section.document for section in sections})
    document["cautions"] = make_cautions(summary, is_page=False)
    header, rows = make_table(summary)
    figures = make_figures(summary, splits, sections)
    return Findings(summary, splits, verdict, document, sections, header, rows, figures)
