"""Everything a report says of a study, before any of it is written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from engine import statistics
from engine.errors import InputError
from engine.outcomes.event import Event
from engine.report.arm_table import make_table
from engine.report.figures import make_drawings
from engine.report.methods import Methods, make_methods
from engine.report.sections import Drawing, Section, make_sections
from engine.report.summary import Summary, summarise, to_document
from engine.report.variance_split import split_variances
from engine.report.variance_split_section import make_split_section
from engine.report.verdict import Verdict, make_verdict
from engine.store.run_table import RunTable

_ALL_FAILED = (
    "all finished runs in {path!r} failed, so there is nothing to report: they ended their worker again and again, "
    "often for want of memory"
)
_NO_RUN = (
    "no finished run in {path!r} yet that statistics can begin with, the first seed of an arm: run the study first"
)
_OF_ARMS = {
    "aalen_johansen": "the band of the share that left",
    "median_time": "the interval of the median",
    "restricted_mean": "the interval of the mean wait",
}


class Findings(NamedTuple):
    """What the finished runs of a study say; `document` is the content of `summary.json`, `drawings` are all."""

    summary: Summary
    verdict: Verdict
    methods: Methods
    document: dict[str, Any]
    sections: list[Section]
    header: list[str]
    rows: list[list[str]]
    drawings: dict[str, Drawing]


def find(table: RunTable, under_way: tuple[int, int] | None = None) -> Findings:
    """Finds everything that a report says; while a launch is under way only what holds at every look, and no sections.

    Raises:
        InputError: no arm has finished its first seed, or all runs failed.
    """
    summary = summarise(table, under_way)
    if not summary.runs:
        raise InputError((_ALL_FAILED if summary.failed else _NO_RUN).format(path=str(table.directory.path)))
    splits = split_variances(summary) if under_way is None else {}
    sections = make_sections(table, summary) if under_way is None else []
    verdict = make_verdict(summary, splits)
    for section in sections:
        if section.headline is not None:
            others = {question: a for question, a in verdict.answers.items() if question not in section.answers}
            verdict = Verdict(section.headline, others, verdict.limits)
    if splits:
        sections.append(make_split_section(summary, splits))
    document = to_document(summary, verdict._asdict())
    document.update({section.key: section.document for section in sections})
    document["cautions"] = make_cautions(summary, is_page=False)
    drawings = make_drawings(summary)
    for section in sections:
        drawings |= section.drawings
    methods = make_methods(summary, splits)
    return Findings(summary, verdict, methods, document, sections, *make_table(summary), drawings)


def make_cautions(summary: Summary, is_page: bool) -> list[str]:
    """Returns a line for each estimator and number of runs that falls short in simulated studies."""
    arms: dict[str, list[str]] = {}
    for name, estimator, num_runs in _estimates(summary, is_page):
        if (caution := statistics.caution(estimator, num_runs)) is not None:
            what = _OF_ARMS.get(estimator, "the interval of a difference")
            arms.setdefault(f"{what}: {caution}", []).append(f"“{name}”")
    return [f"{', '.join(names)}: {line}." for line, names in arms.items()]


def _estimates(summary: Summary, is_page: bool) -> Iterator[tuple[str, str, int]]:
    for name, arm in summary.arms.items():
        # `summary.json` has the mean wait of every arm.
        is_mean_shown = not is_page or summary.runs[name].waits_for == Event.HIT
        for estimator in _OF_ARMS:
            if estimator != "restricted_mean" or is_mean_shown:
                yield name, estimator, arm.num_runs
    for name, comparison in summary.comparisons.items():
        estimator = "paired_difference" if comparison.is_paired else "restricted_mean_difference"
        yield name, estimator, min(summary.arms[n].num_runs for n in (name, summary.baseline))
