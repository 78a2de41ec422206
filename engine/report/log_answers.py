"""Sentences on curves that were read from logs, where they differ from those on runs of the engine."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.outcomes.chance import suggest_classes
from engine.report.arm_runs import ArmRuns
from engine.report.phrases import NORMAL_QUESTION, REMEDY_QUESTION, number, percent, time_word
from engine.report.summary import Summary

LEVEL_QUESTION = "Is the loss at chance level at all?"
ASSUMED = (
    "The runs of a group are taken for independent repetitions of one configuration, each with a start and a data "
    "order of its own: a log cannot show that, and where it is not so, intervals and p-values mean nothing."
)
NO_CAUSE = "What is different between groups is not in the logs: whether it is the cause, only you know."
ONE_GROUP = (
    "These runs are one group, so they cannot say what would change the time. Read logs of other configurations with "
    "them, each group with a name: --curves=before=DIR --curves=after=DIR, or --arm_column."
)
_ONE_RUN_QUESTION = "Is that a plateau, and when does it end?"
_ONE_RUN_NORMAL = "One run cannot say: train it again with other seeds, and read the logs together."
_ONE_RUN_HEADLINE = "“{name}”: {course}; {end}. One run says nothing of how often."

_SCOPE = (
    f"{ASSUMED} They describe these configurations on these data, each at 95 % on its own; they do not carry over to "
    "another network or data set."
)
_CENSORED_ENDS = (
    "Logs of “{name}” that end at chance do so between {low} and {high} {unit}: they count as censored there, which "
    "is right only where nobody stopped a run because of its loss."
)
_NO_ACCURACY = "Where no accuracy was logged, none is reported."

# Whether a loss is at chance level while it is flat.
_NO_LOSS = "There is no loss to look at before it blew up."
_FALLS_AT_ONCE = (
    "Hardly: the log begins at {first:.4g}, where guessing costs {chance:.4g}, and the loss falls from there at once."
)
_BEGINS_LOW = (
    "Hardly: the log begins at {first:.4g}, where guessing costs {chance:.4g}, so training was under way before it, "
    "or guessing costs less{hint}."
)
_FLAT = "While it is flat, the loss lies at {level:.4g}{over}; guessing costs {chance:.4g}."
_AT_CHANCE = "Yes. {flat}"
_ABOVE_CHANCE = (
    "No, it lies above, by {share}. {flat} The network has not come down to guessing, or the loss is a sum or in "
    "another unit, or guessing costs more{hint}."
)
_BELOW_CHANCE = "No, it lies below, by {share}. {flat}"
_HINT = "; {loss:.4g} is about what guessing among {classes} costs"

# What became of a single run, by its status.
_COURSES = {
    "diverged": "the loss blew up at {onset}, before it had left {chance}",
    "stuck": "the loss has not left {chance} for good by the end",
    "broke": "a plateau that ends by itself: the loss leaves {chance} at {onset}",
    "shoulder": "a delay about as long as the rise itself: the loss leaves {chance} at {onset}",
    "no_plateau": "no plateau: the loss leaves {chance} without a delay, at {onset}",
}
_FELL_BACK = ", though it had left it before and fell back"
_FALLING = ", but has begun to fall: train longer"
_BETWEEN = " (logged points at {lower} and {upper})"
_WIDTH = "; at its steepest the rise would take {width}"
_BLEW_UP = ", and blew up later"
_END = "the log ends at {end}"
_END_LOSS = " with a loss of {loss:.3g}"


class Level(NamedTuple):
    """Whether a loss is at chance while it is flat, in words; and whether that is in doubt."""

    words: str
    is_doubtful: bool


def find_level(runs: ArmRuns, low: float) -> Level:
    """Tells whether the loss is at chance at all.

    Args:
        runs: of the baseline.
        low: ρ below which a curve is on its plateau.
    """
    chance, levels = runs.chance_loss, plateau_levels(runs)
    if not levels:
        starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
        if not starts:
            return Level(_NO_LOSS, False)
        first = float(np.median(starts))
        if first > (1 - low) * chance:
            return Level(_FALLS_AT_ONCE.format(first=first, chance=chance), False)
        return Level(_BEGINS_LOW.format(first=first, chance=chance, hint=_hint(first)), True)
    level = float(np.median(levels))
    flat = _FLAT.format(level=level, chance=chance, over=" (median over runs)" if len(levels) > 1 else "")
    share = 1.0 - level / chance
    if abs(share) <= low:
        return Level(_AT_CHANCE.format(flat=flat), False)
    template = _ABOVE_CHANCE if share < 0 else _BELOW_CHANCE
    return Level(template.format(flat=flat, share=percent(abs(share)), hint=_hint(level)), True)


def plateau_levels(runs: ArmRuns) -> list[float]:
    """Returns the median loss on the plateau of each drawn run that has one: before its onset, or to its end."""
    levels = []
    for i, curve in enumerate(runs.curves):
        if runs.event[i] == 2:
            continue
        end = runs.rows["onset_lower"][i] if runs.event[i] == 1 else math.inf
        values = curve.loss[(curve.steps <= end) & np.isfinite(curve.loss)]
        # Where the first interval holds the onset, there is no plateau to look at.
        if len(values) and (end == math.inf or end > curve.steps[0]):
            levels.append(float(np.median(values)))
    return levels


def _hint(loss: float) -> str:
    classes = suggest_classes(loss)
    return "" if classes is None else _HINT.format(loss=loss, classes=classes)


def headline_of_one(summary: Summary) -> str:
    """Says in short what a single run did."""
    course, end = _describe_one(summary)
    return _ONE_RUN_HEADLINE.format(name=summary.baseline, course=course, end=end)


def answers_of_one(summary: Summary) -> dict[str, str]:
    """Answers the questions for a single run, of which nothing can be said but what it did."""
    course, end = _describe_one(summary)
    return {
        _ONE_RUN_QUESTION: f"{course[0].upper()}{course[1:]}; {end}.",
        NORMAL_QUESTION: _ONE_RUN_NORMAL,
        REMEDY_QUESTION: ONE_GROUP,
    }


def _describe_one(summary: Summary) -> tuple[str, str]:
    """Says what became of a single run, and how its log ends."""
    name, unit = summary.baseline, summary.unit
    runs, arm = summary.runs[name], summary.arms[name]
    row = {column: values[0] for column, values in runs.rows.items()}

    def at(steps: float) -> str:
        return f"{time_word(unit)} {number(steps / summary.steps_per_unit(name), unit)}"

    end = _END.format(end=at(row["steps_run"]))
    if row["end_loss"] is not None:
        end += _END_LOSS.format(loss=row["end_loss"])
    course = _COURSES[runs.status[0]].format(onset=at(runs.time[0]), chance=f"chance level ({runs.chance_loss:.4g})")
    if runs.status[0] == "stuck" and arm.num_fell_back:
        course += _FELL_BACK
    elif runs.status[0] == "stuck" and arm.num_falling:
        course += _FALLING
    elif runs.event[0] == 1:
        if row["onset_lower"] != row["onset_upper"]:
            course += _BETWEEN.format(lower=at(row["onset_lower"]), upper=at(row["onset_upper"]))
        if row["width_steps"] is not None:
            width = number(row["width_steps"] / summary.steps_per_unit(name), unit)
            course += _WIDTH.format(width=f"{width} {time_word(unit) if width == '1' else unit}")
        if row["is_diverged_later"]:
            course += _BLEW_UP
    return course, end


def find_limits_of_logs(summary: Summary) -> Iterator[str]:
    """Says what logs cannot tell, besides what holds for every study."""
    yield _SCOPE
    for name, runs in summary.runs.items():
        ends = np.asarray(runs.rows["steps_run"])[runs.event == 0] / summary.steps_per_unit(name)
        if len(ends) > 1 and ends.max() > ends.min():
            low, high = (number(end, summary.unit) for end in (ends.min(), ends.max()))
            yield _CENSORED_ENDS.format(name=name, low=low, high=high, unit=summary.unit)
    if any(not any(runs.rows["end_accuracy"]) for runs in summary.runs.values()):
        yield _NO_ACCURACY
