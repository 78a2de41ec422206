"""A diagnosis in words."""

from typing import NamedTuple

from engine.diagnosis import table
from engine.diagnosis.evidence import LOW, MOST, ArmEvidence, Evidence
from engine.diagnosis.factors import AS_GIVEN
from engine.diagnosis.record import DiagnosisRecord
from engine.diagnosis.table import Decision
from engine.report.phrases import fraction, interval, number, onset, percent
from engine.report.summary import Summary
from engine.statistics import Estimate

_CAUSES = {
    table.SCALE: (
        "The start is so small that the signal and the gradients shrink from layer to layer: the "
        "network sits near a saddle at zero, and has to grow before the loss can move."
    ),
    table.EPSILON: (
        "The gradients have sunk below the optimiser's ε: it divides by √v̂ + ε, so that a gradient "
        "far below ε moves nothing, however many steps are taken."
    ),
    table.DEAD: "A whole layer gives the same for every example, and no gradient passes it.",
    table.RATE: "The steps are too short to get anywhere by the horizon.",
    table.DIVERGES: "The steps are too long: the loss blows up.",
}
_BY_HAND = {
    table.NOTHING: (
        "First look at the data: do labels and inputs still belong to each other after loading, "
        "shuffling and augmentation, and do the inputs reach the network?"
    ),
    table.DEAD: (
        "No change that was tried revives the runs. First make the start one in which units are "
        "alive: zero biases, an initial scheme for ReLU, or an activation with a slope below zero."
    ),
    table.UNDECIDED: (
        "First look longer: give a longer --horizon or more --minutes. Nothing that was tried is a "
        "change to make."
    ),
    table.DIVERGES: "Every rate that was tried diverges: first look for numbers that are not "
    "finite, or enormous, in the inputs.",
    table.NORMAL: (
        "Nothing has to be changed, and nothing that was tried makes it leave in half the time."
    ),
}


class _Sayings(NamedTuple):
    """What a control shows, before and after its counts, if most runs learn and if they do not."""

    learned: tuple[str, str]
    stuck: tuple[str, str]


_OF_CONTROLS = {
    "one_batch": _Sayings(
        ("One batch, over and over, is learned", ": this network and this optimiser can learn"),
        (
            "Not even one batch, over and over, is learned by the horizon",
            ": what holds it is not the amount or the difficulty of the data",
        ),
    ),
    "linear_probe": _Sayings(
        ("A linear model of the raw inputs learns", ": the inputs tell something of the labels"),
        (
            "A linear model of the raw inputs learns nothing by the horizon",
            ": they tell nothing that is easily read",
        ),
    ),
    "shuffled_labels": _Sayings(
        ("With shuffled labels it leaves chance level too, by learning examples by heart", ""),
        ("With shuffled labels it stays at chance", ""),
    ),
    "constant_inputs": _Sayings(
        ("With constant inputs it leaves chance level too", ": not by learning from the inputs"),
        ("With constant inputs it stays at chance, as it must", ""),
    ),
}


def headline(summary: Summary, evidence: Evidence, decision: Decision) -> str:
    """The verdict in a sentence."""
    arm = summary.arms[AS_GIVEN]
    given = evidence.given
    left = fraction(given.num_left, given.num_runs, arm.fraction)
    text = f"{decision.verdict[0].upper()}{decision.verdict[1:]}: {left} left chance level"
    if given.num_left:
        horizon = summary.runs[AS_GIVEN].horizon / summary.steps_per_unit(AS_GIVEN)
        text += f", median {onset(arm, summary.unit, horizon)}"
    if decision.waits_for is not None:
        text += f". The plateau before that is {decision.waits_for}"
    if decision.first is not None:
        advised = evidence.arms[decision.first]
        what = "To wait less" if decision.verdict == table.NORMAL else "Change first"
        text += (
            f". {what}: {decision.first}, with which {advised.num_left} of {advised.num_runs} leave"
        )
        if advised.difference is not None:
            text += f", {_size(advised.difference, summary.unit)}"
    return f"{text}."


def _size(difference: Estimate, unit: str) -> str:
    """`9.7 epochs earlier`."""
    word = "earlier" if difference.value < 0 else "later"
    return f"{number(abs(difference.value), unit)} {unit} {word}"


def what_was_seen(summary: Summary, evidence: Evidence, decision: Decision) -> list[str]:
    """The row of the table that held, what that means, and what was seen inside."""
    lines = [f"Verdict by the decision table: {decision.condition}."]
    cause = _CAUSES.get(decision.waits_for or decision.verdict)
    if cause is not None:
        lines.append(cause)
    held_out, signs = evidence.given.held_out, evidence.signs
    if evidence.given.left >= MOST and held_out is not None and held_out < LOW:
        lines.append("What it learns does not carry over to held-out examples.")
    if signs.below_epsilon is not None:
        lines.append(
            f"Before the end of the plateau √v̂ is below ε in {percent(signs.below_epsilon)} of the "
            f"parameters (median over runs)."
        )
    if signs.dead is not None:
        born = "" if signs.born_dead is None else f" (from the start in {percent(signs.born_dead)})"
        lines.append(
            f"A whole layer is dead in {percent(signs.dead)} of the runs still at chance{born}."
        )
    return lines


def change_first(
    summary: Summary, record: DiagnosisRecord, evidence: Evidence, decision: Decision
) -> str:
    """The one change to make first, with its effect."""
    if decision.first is None:
        return _BY_HAND.get(decision.verdict, _BY_HAND[table.UNDECIDED])
    name, unit = decision.first, summary.unit
    arm = evidence.arms[name]
    left = fraction(arm.num_left, arm.num_runs, summary.arms[name].fraction)
    text = f"First change: {record.words[name]} ({name}). With it {left} left chance level"
    if arm.difference is not None:
        difference = arm.difference
        shown = (
            difference
            if difference.value >= 0
            else difference._replace(lower=-difference.upper, upper=-difference.lower)
        )
        text += (
            f", in the mean {_size(difference, unit)} than as given, counted up to the horizon "
            f"(95 % CI {interval(shown, unit)})"
        )
    if decision.verdict == table.NORMAL:
        return f"Nothing has to be changed. {text.replace('First change', 'To wait less', 1)}."
    return f"{text}."


def what_controls_say(summary: Summary, evidence: Evidence) -> list[str]:
    """A sentence for every control that was run."""
    lines = []
    for name, sayings in _OF_CONTROLS.items():
        if name not in evidence.arms:
            continue
        arm = evidence.arms[name]
        what, so = sayings.learned if arm.left >= MOST else sayings.stuck
        counts = fraction(arm.num_left, arm.num_runs, summary.arms[name].fraction)
        lines.append(f"{what} ({counts} left chance level{_carried(arm)}){so}.")
    return lines


def _carried(arm: ArmEvidence) -> str:
    """Whether what is learned carries over, where most runs learn something."""
    if arm.held_out is None or arm.left < MOST:
        return ""
    does = "does" if arm.held_out >= LOW else "does not"
    return f"; what they learn {does} carry over to held-out examples"
