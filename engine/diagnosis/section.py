"""The report's section on a diagnosis: why the runs wait, and what to change."""

import functools
import itertools
from typing import Any

import numpy as np

from engine import statistics
from engine.diagnosis import figures, table
from engine.diagnosis.evidence import ArmEvidence, Evidence
from engine.diagnosis.symptoms import read_symptoms
from engine.diagnosis.words import Findings, change_first, headline, what_controls_say, what_it_means, what_was_seen
from engine.errors import InputError
from engine.report.curves import read_arm_curves
from engine.report.phrases import NORMAL_QUESTION, REMEDY_QUESTION, interval, number, p_value
from engine.report.sections import Drawing, Section, SectionTable
from engine.report.summary import Summary, jsonable
from engine.store.run_table import RunTable
from engine.studies.diagnosis import AS_GIVEN, CHANGES, DiagnosisRecord, Kind, read_record

_CAPTION = (
    "What every change does to the mean wait, up to the horizon, with 95 % intervals; left of the line is earlier than "
    "as given. Hollow where fewer than half of the runs leave chance level, without an interval where none leaves, as "
    "given or changed; grey are rates far from the given one."
)
_CHANGES_CAPTION = (
    "Every arm differs from the first in one thing, with the same seeds. p is twice the smaller of two tests in pairs "
    "of seeds, of when runs leave chance level and of whether they do, after Holm over all changes. ρ is 1 − loss/H."
)
_RULES_CAPTION = "The decision table: the first row that holds is the verdict."


def make_section(run_table: RunTable, summary: Summary) -> Section | None:
    """Makes the section; returns `None` for another study, or one whose given arm has no outcome yet."""
    record = read_record(run_table.directory.document)
    if record is None or AS_GIVEN not in summary.runs:
        return None
    evidence = _gather(run_table, summary, record)
    found = Findings(summary, record, evidence, table.decide(evidence))
    lines = [*what_it_means(found), *change_first(found)]
    failed = [f"Nothing is known of {name}: its runs failed ({num} of them)." for name, num in summary.failed.items()]
    points = {
        "What decided": [f"The row of the table that held: {found.decision.rule.condition}."],
        "What was seen inside the runs as given": what_was_seen(evidence.symptoms, evidence.given.num_stuck),
        "What the controls say": what_controls_say(found),
        "What is not known": [*failed, *(f"Not tried: {name}, because {why}." for name, why in record.skipped.items())],
        "What was run": record.budget,
    }
    changes = [name for name in summary.runs if record.kinds.get(name) in CHANGES]
    draw = functools.partial(figures.draw_remedies, summary, record, evidence, changes)
    return Section(
        key="diagnosis",
        title="Why it waits, and what to change",
        lines=lines,
        tables=[_changes_table(found), _rules_table(evidence)],
        drawings={"remedies": Drawing(draw, _CAPTION)} if changes else {},
        document=_document(found, [*lines, *itertools.chain(*points.values())]),
        headline=headline(found),
        answers=(NORMAL_QUESTION, REMEDY_QUESTION),
        points=points,
    )


def _gather(run_table: RunTable, summary: Summary, record: DiagnosisRecord) -> Evidence:
    p_values = _adjusted_p_values(summary, record)
    arms = {
        name: _gather_arm(run_table, summary, name, record.kinds[name], p_values.get(name))
        for name in summary.runs
        if name in record.kinds
    }
    return Evidence(
        arms=arms,
        rates={name: rate for name, rate in record.rates.items() if name in arms},
        symptoms=read_symptoms(run_table, summary.runs[AS_GIVEN]),
        num_missing=sum(_num_missing(run_table, summary, name) for name in record.kinds),
        has_constant_inputs=record.has_constant_inputs,
    )


def _num_missing(run_table: RunTable, summary: Summary, name: str) -> int:
    if name in summary.runs:
        return max(summary.runs[name].num_planned - summary.runs[name].num_stored, 0)
    planned: int = run_table.directory.document["study"]["seeds"][name]
    return planned - summary.failed.get(name, 0)


def _adjusted_p_values(summary: Summary, record: DiagnosisRecord) -> dict[str, float]:
    """Returns p-values by arm: of changes after Holm over all of them, of controls as they are."""
    p_values = {name: comparison.test.p_value for name, comparison in summary.comparisons.items()}
    names = [name for name in p_values if record.kinds.get(name) in CHANGES]
    if not names:
        return p_values
    both = [min(2 * min(p_values[name], _p_of_leaving(summary, name)), 1.0) for name in names]
    return {**p_values, **dict(zip(names, statistics.holm(np.array(both)).tolist(), strict=True))}


def _p_of_leaving(summary: Summary, name: str) -> float:
    """Tests in pairs of seeds whether as many runs leave as given, whenever they do.

    With all times equal the stratified log-rank test is McNemar's. It sees what the test of times does not: a change
    with which all runs leave, but later than some do as given.
    """
    pair = [summary.runs[arm] for arm in (AS_GIVEN, name)]
    left = np.concatenate([runs.event == 1 for runs in pair]).astype(np.int64)
    group = np.repeat([0, 1], [len(runs.event) for runs in pair])
    seed = np.concatenate([runs.seed for runs in pair])
    return statistics.log_rank(np.ones(len(left)), left, group, seed).p_value


def _gather_arm(run_table: RunTable, summary: Summary, name: str, kind: Kind, p_value: float | None) -> ArmEvidence:
    arm, comparison = summary.arms[name], summary.comparisons.get(name)
    return ArmEvidence(
        kind=kind,
        num_runs=arm.num_runs,
        num_left=int(np.sum(summary.runs[name].event == 1)),
        num_waited=arm.statuses["broke"],
        num_stuck=arm.statuses["stuck"],
        num_falling=arm.num_falling,
        num_diverged=arm.statuses["diverged"] + arm.num_diverged_later,
        held_out=_held_out(run_table, summary, name),
        mean_wait=arm.restricted_mean.value,
        difference=None if comparison is None else comparison.difference,
        p_value=p_value,
    )


def _held_out(run_table: RunTable, summary: Summary, name: str) -> float | None:
    """See `ArmEvidence.held_out`. The held-out examples of all arms are the same, and have one chance loss."""
    try:
        found = read_arm_curves(run_table, name, "held_out_loss")
    except InputError:
        return None
    runs = summary.runs[name]
    has_left = np.isin(found.seed, runs.seed[runs.event == 1])
    losses = found.values[has_left] if has_left.any() else found.values
    best = np.where(np.isfinite(losses), losses, np.inf).min(axis=1)
    # A run that diverged before its first inspection has learned nothing.
    return float(np.median(1.0 - np.minimum(best, 1e30) / summary.runs[AS_GIVEN].chance_loss))


def _changes_table(found: Findings) -> SectionTable:
    later, p, held_out = f"{found.summary.unit} later", "p (two tests), Holm", "best ρ, held out"
    header = ["change", "kind", "left chance level", later, p, held_out]
    return SectionTable(_CHANGES_CAPTION, header, [_change_row(found, name) for name in found.evidence.arms])


def _change_row(found: Findings, name: str) -> list[str]:
    arm, unit = found.evidence.arms[name], found.summary.unit
    is_measured = found.evidence.is_measured(name)
    later = "–"
    if not is_measured and name != AS_GIVEN:
        later = "neither left"
    elif arm.difference is not None:
        later = f"{number(arm.difference.value, unit)} ({interval(arm.difference, unit)})"
    p = p_value(arm.p_value) if arm.is_change and is_measured and arm.p_value is not None else "–"
    held_out = "–" if arm.held_out is None else f"{max(arm.held_out, -9.9):z.2f}".replace("-", "−")
    return [found.record.words[name], arm.kind, found.left(name), later, p, held_out]


def _rules_table(evidence: Evidence) -> SectionTable:
    rows, marks = [], {True: "yes: the verdict", False: "no"}
    for rule in table.RULES:
        holds = rule.holds(evidence)
        rows.append([rule.verdict, rule.condition, marks[holds]])
        if holds:
            marks = dict.fromkeys(marks, "–")
    return SectionTable(_RULES_CAPTION, ["verdict", "when", "holds"], rows, is_of_words=True)


def _document(found: Findings, lines: list[str]) -> dict[str, Any]:
    decision = found.decision
    return {
        **{name: getattr(decision, name) for name in ("verdict", "row", "first", "waits_for")},
        "condition": decision.rule.condition,
        "arms": jsonable(dict(found.evidence.arms)),
        "symptoms": jsonable(found.evidence.symptoms),
        "skipped": found.record.skipped,
        "minutes": found.record.minutes,
        "words": lines,
    }
