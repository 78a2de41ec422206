"""Everything a report says of a study, before any of it is written; the paragraph on methods, with its sources."""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, NamedTuple

from .. import statistics
from ..errors import InputError, counted, one_line
from ..outcomes.chance import ChanceOf
from ..outcomes.event import Event
from ..store.run_table import RunTable
from .arm_table import make_table, to_text
from .curve_figures import first_curves, make_overview
from .figures import make_drawings, names_on_page
from .notes import after_faults
from .phrases import number, varied
from .ranking import MOST_ARMS, say_shown, shown_arms
from .remedies import find_remedy, say_change
from .sections import Drawing, Section, make_sections
from .summary import Summary, summarise
from .summary_json import to_document
from .variance_split import VarianceSplit, split_variances
from .variance_split_section import make_split_section
from .verdict import Verdict, make_verdict

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
_OVERVIEW = "overview"
_BREAK = (
    "With H {chance} and ρ = 1 − L/H smoothed by a running median of {window} points, "
    "the onset of learning is the last upward crossing of ρ = {low:g} before ρ ≥ {high:g} is held; a run that ends "
    "below {high:g} is right-censored at the horizon."
)

_CHANCE = {
    ChanceOf.CONSTANT: "the loss of the best constant prediction",
    ChanceOf.UNTRAINED: "the median loss of untrained runs",
    ChanceOf.TRAINER: "the loss that the trainer gives for having learned nothing",
}


class Methods(NamedTuple):
    """What was done, in words, and the BibTeX entries of the sources, in the order of citation."""

    paragraph: str
    bibtex: str


class Findings(NamedTuple):
    """What the finished runs of a study say.

    Attributes:
        document: content of `summary.json`.
        drawings: all there are, by file name.
        first_arms: of the drawing that the page begins with, the baseline first.
    """

    summary: Summary
    verdict: Verdict
    methods: Methods
    document: dict[str, Any]
    sections: list[Section]
    header: list[str]
    rows: list[list[str]]
    drawings: dict[str, Drawing]
    first_arms: list[str]

    @property
    def first_lines(self) -> list[str]:
        """What the page begins with: the headline, the lines of the section that made it, and the answers."""
        of_sections = [line for section in self.sections if section.headline for line in section.lines]
        answers = [f"{question} {answer}" for question, answer in self.verdict.answers.items()]
        return [self.verdict.headline, *of_sections, *answers]

    @property
    def text(self) -> str:
        """The short table, of many arms some, and what the page begins with, for a terminal."""
        headline, *others = map(one_line, self.first_lines)
        table = [] if self.summary.is_of_one_log else [to_text(self.header, self.shown_rows), say_shown(self.summary)]
        return "\n".join([*filter(None, table), *[""] * bool(table), headline, "", *others])

    @property
    def shown_rows(self) -> list[list[str]]:
        """The rows of the arms that are shown first."""
        shown = set(map(one_line, shown_arms(self.summary)))
        return [row for row in self.rows if row[0] in shown]

    @property
    def names_on_page(self) -> list[str]:
        """Names of the drawings that the page shows."""
        of_sections = (name for section in self.sections for name in section.drawings)
        return list(dict.fromkeys([self.first_drawing, *names_on_page(self.summary), *of_sections]))

    @property
    def first_drawing(self) -> str:
        """Name of the drawing that the page begins with: the baseline beside a remedy, or alone."""
        return _OVERVIEW if _OVERVIEW in self.drawings else first_curves(self.summary)


def find(
    table: RunTable, under_way: tuple[int, int] | None = None, options: Mapping[str, Any] | None = None
) -> Findings:
    """Finds everything that a report says; while a launch is under way only what holds at every look, and no sections.

    Raises:
        InputError: an option of a section is not usable, no arm has finished its first seed, or all runs failed.
    """
    summary = summarise(table, under_way)
    if not summary.runs:
        raise InputError((_ALL_FAILED if summary.failed else _NO_RUN).format(path=str(table.directory.path)))
    splits = split_variances(summary) if under_way is None else {}
    sections = make_sections(table, summary, options or {}) if under_way is None else []
    verdict = make_verdict(summary, splits)
    for section in sections:
        if section.headline is not None:
            others = {question: a for question, a in verdict.answers.items() if question not in section.answers}
            verdict = Verdict(after_faults(summary, section.headline), others, verdict.limits)
    if splits:
        sections.append(make_split_section(summary, splits))
    document = to_document(summary, verdict._asdict())
    document.update({section.key: section.document for section in sections})
    document["cautions"] = make_cautions(summary, is_page=False)
    remedy = next((section.remedy for section in sections if section.remedy), None) or find_remedy(summary)
    remedy = None if remedy == summary.baseline else remedy
    document["remedy"] = None if remedy is None else {"arm": remedy, "change": say_change(summary, remedy)}
    drawings = {_OVERVIEW: make_overview(summary, remedy)} if remedy is not None else {}
    first_arms = list(dict.fromkeys(name for name in (summary.baseline, remedy) if name is not None))
    drawings |= make_drawings(summary)
    for section in sections:
        drawings |= section.drawings
    methods = make_methods(summary, splits)
    return Findings(
        summary, verdict, methods, document, sections, *make_table(summary), drawings, [*dict.fromkeys(first_arms)]
    )


def make_cautions(summary: Summary, is_page: bool) -> list[str]:
    """Returns a line for each estimator and number of runs that falls short in simulated studies."""
    arms: dict[str, list[str]] = {}
    for name, estimator, num_runs in _estimates(summary, is_page):
        if (caution := statistics.caution(estimator, num_runs)) is not None:
            what = _OF_ARMS.get(estimator, "the interval of a difference")
            arms.setdefault(f"{what}: {caution}", []).append(f"“{name}”")
    return [f"{_shorten(names)}: {line}." for line, names in arms.items()]


def _shorten(names: list[str]) -> str:
    more = len(names) - MOST_ARMS
    return f"{', '.join(names[:MOST_ARMS])} and {counted(more, 'more arm')}" if more > 0 else ", ".join(names)


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


def make_methods(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Methods:
    """Writes the paragraph for what a report shows."""
    paragraph = " ".join(_sentences(summary, splits))
    text = resources.files(__package__).joinpath("sources.bib").read_text(encoding="utf-8")
    entries = {re.split(r"[{,]", entry)[1]: entry for entry in text.strip().split("\n\n")}
    cited = dict.fromkeys(re.findall(r"\[(\w+)\]", paragraph))
    return Methods(paragraph, "\n\n".join(entries[key] for key in cited if key in entries))


def _sentences(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Iterator[str]:
    yield _describe_runs(summary)
    events = {runs.waits_for for runs in summary.runs.values()}
    if Event.BREAK in events:
        chance = " or ".join(
            [words for of, words in _CHANCE.items() if of in {arm.chance_of for arm in summary.arms.values()}]
        )
        yield _BREAK.format(chance=chance, **summary.identity["detector"])
    if Event.HIT in events:
        yield "Where a task has an event of its own, its time is the first step at which it happens."
    yield _describe_fractions(summary)
    yield (
        "The time of the event is summarised by its cumulative incidence with divergence as a competing event "
        "[aalen1978], its median with limits from the complementary log-log limits of the incidence [brookmeyer1982], "
        "and its mean up to the horizon [royston2013]."
    )
    if summary.comparisons:
        yield _describe_comparisons(summary)
    yield from _describe_designs(summary, splits)


def _describe_designs(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Iterator[str]:
    for name, split in splits.items():
        if split.components is not None:
            num_starts, num_orders = split.components.num_init_seeds, split.components.num_order_seeds
            starts = counted(num_starts, "start was", "starts were")
            orders = counted(num_orders, "common data order")
            yield f"Of “{name}”, {starts} also trained in each of {orders}."
        forks = summary.runs[name].forks
        if split.forks is not None and forks is not None:
            yield (
                f"Of “{name}”, {counted(split.forks.num_parents, 'run')} still waited at step {forks.step}: continued "
                f"from there {counted(split.forks.num_runs, 'time')} in all, in data orders of their own."
            )
    if any(split.components for split in splits.values()):
        yield (
            "In the crossed grid the variance of log time was divided between start, data order and rest by restricted "
            "maximum likelihood with censoring [patterson1971], with limits of the profile likelihood."
        )
    if any(split.forks for split in splits.values()):
        yield (
            "Whether a fork's remaining time depends on its parent was tested by permutation of log-rank scores among "
            "parents [hothorn2006]."
        )


def _describe_runs(summary: Summary) -> str:
    identity, numbers = summary.identity, sorted({len(runs.seed) for runs in summary.runs.values()})
    runs = counted(numbers[0], "run") if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} runs"
    if summary.is_of_logs:
        smoothed = f", as means of {identity['average']} points" if identity["average"] > 1 else ""
        return (
            f"We read the logged training loss of {runs} of each of {counted(len(summary.runs), 'group')} of runs"
            f"{smoothed}, taken as independent repetitions; the best constant prediction has a loss of "
            f"{identity['chance_loss']:.4g}."
        )
    num_failed = sum(arm.num_failed for arm in summary.runs.values())
    failed = f" (in all {num_failed} more failed for technical reasons and are left out)" if num_failed else ""
    version = summary.document["launches"][-1]["versions"].get("jax")
    return (
        f"We trained {runs} of each of {counted(len(summary.runs), 'configuration')}{failed} with JAX"
        f"{f' (version {version})' if version else ''} [jax2018] on a {identity['platform']}, over different "
        f"{varied(identity)}, and evaluated the loss on a fixed set every {counted(identity['eval_every'], 'step')}."
    )


def _describe_fractions(summary: Summary) -> str:
    if not summary.has_looks:
        return "Fractions of runs have exact limits [clopper1934]."
    if summary.looks:
        return (
            f"Seeds were added in blocks, in {counted(len(summary.looks), 'look')}; fractions of runs have the limits "
            "of a confidence sequence that holds at all looks together [robbins1970]."
        )
    return (
        "Fractions of runs have the limits of a confidence sequence, which holds at every look while the study is "
        "under way [robbins1970]."
    )


def _describe_comparisons(summary: Summary) -> str:
    horizons = {number(comparison.horizon, summary.unit) for comparison in summary.comparisons.values()}
    reach = f" of {horizons.pop()} {summary.unit}" if len(horizons) == 1 else ""
    test, adjustment = "a log-rank test stratified by seed [mantel1966]", "[holm1979]"
    if summary.has_looks:
        test = "a safe log-rank test in pairs of equal seeds, valid at every look [grunwald2021]"
        adjustment = "by Bonferroni's inequality"
    elif summary.is_of_logs:
        test = "Gray's test of the incidence [gray1988]"
    return (
        f"Configurations were compared with “{summary.baseline}” by the difference of their means up to the common "
        f"horizon{reach} [zou2008] and by {test}; p-values are adjusted for the "
        f"{counted(len(summary.comparisons), 'comparison')} {adjustment}. Limits are at 95 % each."
    )
