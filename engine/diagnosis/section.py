"""The report's section on a diagnosis: why the runs wait, and what to change."""

import functools
import itertools
import math
from collections.abc import Collection
from typing import Any

from matplotlib.figure import Figure

from .. import statistics
from ..errors import counted
from ..report.canvas import INK, label_differences, new_figure
from ..report.phrases import NORMAL_QUESTION, REMEDY_QUESTION, label, number, p_value, shift
from ..report.sections import Drawing, Section, SectionTable
from ..report.summary import Summary
from ..report.summary_json import jsonable
from ..store.run_table import RunTable
from ..studies.diagnosis import AS_GIVEN, CHANGES, read_record
from . import table
from .evidence import MOST_RUNS, Evidence
from .gathering import gather
from .library_words import without_library
from .suspect_words import how_to_decide, list_suspects, what_was_followed, who_else
from .words import Findings, change_first, headline, what_controls_say, what_it_means, what_was_seen

_CAPTION = (
    "What every change does to the mean wait, up to the horizon, with 95 % intervals; left of the line is earlier than "
    "as given. Hollow where fewer than half of the runs leave chance level, without an interval where none leaves, as "
    "given or changed; grey are rates far from the given one."
)
_CHANGES_CAPTION = (
    "Every arm differs from the first in one thing, with the same seeds. p is twice the smaller of two tests in pairs "
    "of seeds, of when runs leave chance level and of whether they do, after Holm over all changes. ρ is 1 − loss/H."
)
_SUSPECTS_CAPTION = "The causes that come into question, the likeliest first."
_RULES_CAPTION = "The decision table: the first row that holds is the verdict."
_COLOURS = {"remedy": "#0072B2", "far": "#7F7F7F"}


def make_section(run_table: RunTable, summary: Summary) -> Section | None:
    """Makes the section; returns `None` for another study, or one whose given arm has no outcome yet."""
    record = read_record(run_table.directory.document)
    if record is None or AS_GIVEN not in summary.runs:
        return None
    evidence = gather(run_table, summary, record)
    found = Findings(summary, record, evidence, table.decide(evidence))
    lines = [*what_it_means(found), *who_else(found), *change_first(found), *how_to_decide(found)]
    failed = [
        f"Nothing is known of {name}: {counted(num, 'run')} failed, and no other has an outcome."
        for name, num in summary.failed.items()
    ]
    points = {
        "What decided": [f"The row of the table that held: {found.decision.rule.condition}."],
        "What was found before training": [f"{one.sentence} ({one.name})." for one in evidence.findings],
        "What was followed beyond the horizon": what_was_followed(found),
        "What was seen inside the runs as given": what_was_seen(evidence.symptoms, evidence.given.num_stuck),
        "What the controls say": what_controls_say(found),
        "What is not known": [*failed, *(f"Not tried: {name}, because {why}." for name, why in record.skipped.items())],
        "What was run": record.budget,
    }
    changes = [name for name in summary.runs if record.kinds.get(name) in CHANGES]
    draw = functools.partial(_draw_remedies, found, changes)
    return Section(
        key="diagnosis",
        title="Why it waits, and what to change",
        lines=lines,
        tables=[*_suspects_table(found), _changes_table(found), _rules_table(evidence)],
        drawings={"remedies": Drawing(draw, _CAPTION)} if changes else {},
        document=_document(found, [*lines, *itertools.chain(*points.values())]),
        headline=headline(found),
        answers=(NORMAL_QUESTION, REMEDY_QUESTION),
        points=points,
        remedy=found.decision.first if found.decision.first in summary.runs else None,
    )


def _suspects_table(found: Findings) -> list[SectionTable]:
    rows = list_suspects(found)
    return [SectionTable(_SUSPECTS_CAPTION, ["cause", "for", "against"], rows, is_of_words=True)] if rows else []


def _changes_table(found: Findings) -> SectionTable:
    later, p, held_out = f"{found.summary.unit}, against as given", "p (two tests), Holm", "best ρ, held out"
    header = ["change", "kind", "left chance level", later, p, held_out]
    rows = [_change_row(found, name) for name in found.evidence.arms]
    return SectionTable(_CHANGES_CAPTION, header, rows, is_folded=True)


def _change_row(found: Findings, name: str) -> list[str]:
    arm, unit = found.evidence.arms[name], found.summary.unit
    is_measured = found.evidence.is_measured(name)
    later = "–"
    if not is_measured and name != AS_GIVEN:
        later = "neither left"
    elif arm.difference is not None:
        later = shift(arm.difference, unit)
    p = p_value(arm.p_value) if arm.kind in CHANGES and is_measured and arm.p_value is not None else "–"
    held_out = "–" if arm.held_out is None else f"{max(arm.held_out, -9.9):z.2f}".replace("-", "−")
    return [found.record.words[name], arm.kind, found.left(name), later, p, held_out]


def _rules_table(evidence: Evidence) -> SectionTable:
    rows, marks = [], {True: "yes: the verdict", False: "no"}
    for rule in table.RULES:
        holds = rule.holds(evidence)
        rows.append([rule.verdict, rule.condition, marks[holds]])
        if holds:
            marks = dict.fromkeys(marks, "–")
    return SectionTable(_RULES_CAPTION, ["verdict", "when", "holds"], rows, is_of_words=True, is_folded=True)


def _document(found: Findings, lines: list[str]) -> dict[str, Any]:
    decision = found.decision
    return {
        **{name: getattr(decision, name) for name in ("verdict", "row", "first", "waits_for")},
        "condition": decision.rule.condition,
        "arms": jsonable(dict(found.evidence.arms)),
        "causes": [
            {"verdict": one.cause, "for": pro, "against": con, "change": one.change, "advice": one.advice}
            for one, (_, pro, con) in zip(found.suspects, list_suspects(found), strict=True)
        ],
        "followed": jsonable(dict(found.evidence.followed)),
        "symptoms": jsonable(found.evidence.symptoms),
        "skipped": found.record.skipped,
        "minutes": found.record.minutes,
        "words": lines,
    }


def _draw_remedies(found: Findings, names: list[str]) -> Figure:
    """Draws how much later every change makes the mean wait than as given, the earliest on top."""
    evidence, unit = found.evidence, found.summary.unit
    given = {name: evidence.arms[name].difference for name in names}
    later = {name: difference for name, difference in given.items() if difference is not None}
    ordered = sorted(later, key=lambda name: later[name].value)
    figure = new_figure(1.0 + 0.26 * len(ordered))
    axes = figure.subplots()
    # Where no run leaves, as given or changed, nothing was measured.
    end = _end([later[name] for name in later if evidence.is_measured(name)] or later.values())
    for row, name in enumerate(ordered):
        colour, difference = _COLOURS[evidence.arms[name].kind], later[name]
        style = "full" if evidence.arms[name].left >= MOST_RUNS else "none"
        if not evidence.is_measured(name):
            axes.plot(0, row, "o", color=colour, markersize=5, fillstyle=style)
        elif difference.value > end:
            axes.plot(end, row, ">", color=colour, markersize=6, fillstyle=style, clip_on=False)
            axes.text(0.96 * end, row, f"{number(difference.value, unit)} ", ha="right", va="center", fontsize=8.5)
        else:
            if math.isfinite(difference.lower):
                axes.plot([difference.lower, min(difference.upper, end)], [row, row], color=colour, linewidth=1.6)
            axes.plot(difference.value, row, "o", color=colour, markersize=5, fillstyle=style)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(
        range(len(ordered)), [label(without_library(found.record.words[name])) for name in ordered], fontsize=8.5
    )
    axes.set(ylim=(len(ordered) - 0.5, -0.5), xmargin=0.05)
    axes.set_xlim(right=end)
    label_differences(axes, unit, "as given")
    return figure


def _end(differences: Collection[statistics.Estimate]) -> float:
    """Returns where the axis ends on the later side, so that what is earlier is not squeezed."""
    earliest = max((-d.lower for d in differences if math.isfinite(d.lower)), default=0.0)
    return 1.5 * earliest if earliest > 0 else max(d.value for d in differences) or 1.0
