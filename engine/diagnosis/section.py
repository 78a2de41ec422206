"""Why it waits, and what to change: the topic of a diagnosis."""

import functools
import itertools
from typing import Any

import numpy as np

from engine import statistics
from engine.diagnosis import figures, table
from engine.diagnosis.dead_units import read_signs
from engine.diagnosis.evidence import ArmEvidence, Evidence
from engine.diagnosis.table import Decision, decide
from engine.diagnosis.words import change_first, headline, what_controls_say, what_it_means, what_was_seen
from engine.errors import InputError
from engine.report.metric_curves import read_arm_curves
from engine.report.phrases import NORMAL_QUESTION, REMEDY_QUESTION, fraction, interval, number, p_value
from engine.report.sections import Drawing, Section, SectionTable
from engine.report.summary import Summary, jsonable
from engine.store import WorkDirectory
from engine.studies.diagnosis_kinds import AS_GIVEN, Kind
from engine.studies.diagnosis_record import DiagnosisRecord, read_record


def make_section(directory: WorkDirectory, summary: Summary) -> Section | None:
    """The topic; `None` for a study that is no diagnosis, or whose given arm has no outcome yet."""
    record = read_record(directory.document)
    if record is None or AS_GIVEN not in summary.runs:
        return None
    evidence = gather(directory, summary, record)
    decision = decide(evidence)
    lines = [*what_it_means(summary, evidence, decision), *change_first(summary, record, evidence, decision)]
    points = {
        "What decided": [f"The row of the table that held: {decision.condition}."],
        "What was seen inside the runs as given": what_was_seen(evidence),
        "What the controls say": what_controls_say(summary, evidence),
        "What is not known": [
            *(
                f"Nothing is known of {name}: its runs failed ({number} of them)."
                for name, number in summary.failed.items()
            ),
            *(f"Not tried: {name}, because {why}." for name, why in record.skipped.items()),
        ],
        "What was run": record.budget,
    }
    changes = [name for name in summary.runs if record.kinds.get(name) in ("remedy", "far")]
    draw = functools.partial(figures.draw_remedies, summary, record, evidence, changes)
    return Section(
        key="diagnosis",
        title="Why it waits, and what to change",
        lines=lines,
        tables=[_changes(summary, record, evidence), _rules(evidence)],
        drawings={"remedies": Drawing(draw, _CAPTION)} if changes else {},
        document=_document(record, evidence, decision, [*lines, *itertools.chain(*points.values())]),
        headline=headline(summary, record, evidence, decision),
        answers=(NORMAL_QUESTION, REMEDY_QUESTION),
        points=points,
    )


_CAPTION = (
    "What every change does to the mean wait, up to the horizon, with 95 % intervals; left of the "
    "line is earlier than as given. Hollow where fewer than half of the runs leave chance level, "
    "without an interval where none leaves, as given or changed; grey are rates far from the given "
    "one."
)


def gather(directory: WorkDirectory, summary: Summary, record: DiagnosisRecord) -> Evidence:
    """The evidence, from the rows of a study."""
    p_values = _adjusted(summary, record)
    arms = {
        name: _of_arm(directory, summary, name, record.kinds[name], p_values.get(name))
        for name in summary.runs
        if name in record.kinds
    }
    return Evidence(
        arms=arms,
        rates={name: rate for name, rate in record.rates.items() if name in arms},
        signs=read_signs(directory, summary.runs[AS_GIVEN]),
        num_missing=_num_missing(directory, summary, record),
        has_constant_inputs=record.has_constant_inputs,
    )


def _num_missing(directory: WorkDirectory, summary: Summary, record: DiagnosisRecord) -> int:
    """Runs that are still to come."""
    planned, number = directory.document["study"]["seeds"], 0
    for name in record.kinds:
        if name in summary.runs:
            runs = summary.runs[name]
            number += max(runs.num_planned - runs.num_stored, 0)
        else:
            number += planned[name] - summary.failed.get(name, 0)
    return number


def _adjusted(summary: Summary, record: DiagnosisRecord) -> dict[str, float]:
    """p-values: after Holm over what may be changed, and of controls as they are."""
    p_values = {name: one.test.p_value for name, one in summary.comparisons.items()}
    names = [name for name in p_values if record.kinds.get(name) in ("remedy", "far")]
    if not names:
        return p_values
    both = [min(2 * min(p_values[name], _whether(summary, name)), 1.0) for name in names]
    return {**p_values, **dict(zip(names, statistics.holm(np.array(both)).tolist(), strict=True))}


def _whether(summary: Summary, name: str) -> float:
    """p-value of as many runs that leave as given, in pairs of seeds, whenever they do.

    With all times equal the stratified log-rank test is McNemar's. It sees what the test of times
    does not: a change with which all runs leave, but later than some do as given.
    """
    pair = [summary.runs[one] for one in (AS_GIVEN, name)]
    left = np.concatenate([runs.event == 1 for runs in pair]).astype(np.int64)
    group = np.repeat([0, 1], [len(runs.event) for runs in pair])
    seed = np.concatenate([runs.seed for runs in pair])
    return statistics.log_rank(np.ones(len(left)), left, group, seed).p_value


def _of_arm(directory: WorkDirectory, summary: Summary, name: str, kind: Kind, p_value: float | None) -> ArmEvidence:
    arm, comparison = summary.arms[name], summary.comparisons.get(name)
    difference = None if comparison is None else comparison.difference
    return ArmEvidence(
        kind=kind,
        num_runs=arm.num_runs,
        num_left=int(np.sum(summary.runs[name].event == 1)),
        num_waited=arm.statuses["broke"],
        num_stuck=arm.statuses["stuck"],
        num_falling=arm.num_falling,
        num_diverged=arm.statuses["diverged"] + arm.num_diverged_later,
        held_out=_held_out(directory, summary, name),
        mean_wait=arm.restricted_mean.value,
        difference=difference,
        p_value=p_value,
    )


def _held_out(directory: WorkDirectory, summary: Summary, name: str) -> float | None:
    """Of the runs that left, or of all where none did, the median of the best held-out ρ.

    `None` where there are no held-out examples. They are the same in all arms, so that one chance
    loss serves for all.
    """
    try:
        found = read_arm_curves(directory, name, "held_out_loss")
    except InputError:
        return None
    runs = summary.runs[name]
    has_left = np.isin(found.seed, runs.seed[runs.event == 1])
    losses = found.values[has_left] if has_left.any() else found.values
    best = np.where(np.isfinite(losses), losses, np.inf).min(axis=1)
    # A run that blew up before it was inspected has learned nothing.
    return float(np.median(1.0 - np.minimum(best, 1e30) / summary.runs[AS_GIVEN].chance_loss))


def _changes(summary: Summary, record: DiagnosisRecord, evidence: Evidence) -> SectionTable:
    rows = []
    for name, arm in evidence.arms.items():
        later = "–"
        is_measured = evidence.is_measured(name)
        if not is_measured and name != AS_GIVEN:
            later = "neither left"
        elif arm.difference is not None:
            value = number(arm.difference.value, summary.unit)
            later = f"{value} ({interval(arm.difference, summary.unit)})"
        is_change = arm.kind in ("remedy", "far") and is_measured
        p = p_value(arm.p_value) if is_change and arm.p_value is not None else "–"
        left = fraction(arm.num_left, arm.num_runs, summary.arms[name].fraction)
        held_out = "–" if arm.held_out is None else _hundredths(max(arm.held_out, -9.9))
        rows.append([record.words[name], arm.kind, left, later, p, held_out])
    header = ["change", "kind", "left chance level", f"{summary.unit} later", "p (two tests), Holm"]
    return SectionTable(
        "Every arm differs from the first in one thing, with the same seeds. p is twice the "
        "smaller of two tests in pairs of seeds, of when runs leave chance level and of whether "
        "they do, after Holm over all changes. ρ is 1 − loss/H.",
        [*header, "best ρ, held out"],
        rows,
    )


def _hundredths(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _rules(evidence: Evidence) -> SectionTable:
    rows, marks = [], {True: "yes: the verdict", False: "no"}
    for rule in table.RULES:
        holds = rule.holds(evidence)
        rows.append([rule.verdict, rule.condition, marks[holds]])
        if holds:
            marks = dict.fromkeys(marks, "–")
    return SectionTable(
        "The decision table: the first row that holds is the verdict.",
        ["verdict", "when", "holds"],
        rows,
        is_of_words=True,
    )


def _document(record: DiagnosisRecord, evidence: Evidence, decision: Decision, lines: list[str]) -> dict[str, Any]:
    return {
        **decision._asdict(),
        "arms": jsonable(dict(evidence.arms)),
        "signs": jsonable(evidence.signs),
        "skipped": record.skipped,
        "minutes": record.minutes,
        "words": lines,
    }
