"""The verdict on a study in sentences, each with its numbers and their intervals."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from engine.outcomes.event import Event
from engine.report import log_answers
from engine.report.limits import find_limits
from engine.report.phrases import (
    NORMAL_QUESTION,
    REMEDY_QUESTION,
    fraction,
    interval,
    joined,
    number,
    onset,
    percent,
    runs_are,
    time_word,
    varied,
)
from engine.report.remedy import find_cures, find_typical, say_compared, say_cures, say_remedy
from engine.report.summary import Summary
from engine.report.variance_split import VarianceSplit, describe_split

# With fewer runs even a unanimous course is not beyond chance.
_FEW = 6
_STATUS_WORDS = {
    "broke": "broke out of a plateau",
    "shoulder": "learned after a delay about as long as the rise itself",
    "no_plateau": "learned without a plateau",
    "stuck": "were at chance at the end",
    "diverged": "diverged",
}

# Headlines and answers by the status that is typical of the baseline. What stands in braces is made by `_facts_of`.
_HEADLINES = {
    "broke": "This is normal for “{name}”: {left} left chance level by themselves, in the median at {onset}.",
    "stuck": "“{name}” is held at chance level: {num_typical} of {num_runs} runs were there at {end}; {left} left it.",
    "diverged": "“{name}” diverges: {num_typical} of {num_runs} runs; {left} left chance level.",
}
_OTHER_HEADLINE = "“{name}”: {left} left chance level; the median onset is {onset}."
_FALLING = "But in {num_falling} of them the loss had begun to fall: train longer before anything else."
_NORMAL = {
    "broke": "Yes. A flat loss followed by a break is what this configuration does: {typical} show it{over}.",
    "stuck": "A loss at chance at {end} ({horizon} {unit}) is what this configuration does: {typical}.",
    "diverged": "No: this configuration diverges ({typical}).",
    "shoulder": "A delay is normal here, but it is no longer than the rise itself takes: {typical} show that.",
    "no_plateau": "A flat stretch would not be normal here: {typical} learn without one.",
}
_LATE = "Nine of ten runs had left by {word} {late}; one that is flat for longer is unusual here."
_NOT_TYPICAL = "There is no typical course: {counts}."
_TOO_FEW = "{runs_are} too few to say what is typical"

_HOW_OFTEN = "{left} of “{name}” left chance level by {end}. Of all {num_runs}, {counts}."
_FAILED = "{num_failed} more failed and have no outcome."
_FELL_BACK = "{num_fell_back} of those at chance had left it before and fell back."
_WHEN = "The median onset is {onset}."
_RANGE = "The onsets seen lie between {first} and {last}."
_WIDTH = "At its steepest, the rise would take {width} {unit} from 10 to 90 % (median over runs)."
_ACCURACY = "Training accuracy is {before} at the onset and {after} at the end."
_HELD_OUT = "Accuracy on held-out examples is {held_out} at the end."

# A baseline that waits for an event of its task's own has nothing to fix, only a time.
_HIT = "“{name}”: {left} had the event within {horizon} {unit}"
_HIT_WAIT = "the mean wait up to there is {mean} {unit} (95 % CI {mean_interval})"

_UNDECIDED = "No other configuration is told from it yet."
_DOUBT = "But is it at chance level at all? {level}"
_UNDER_WAY = "The study is under way: {num_over} of {num_runs} runs are over. So far: {headline}"
_DESIGN_QUESTION = "Is it chance, or decided at the start?"


class Verdict(NamedTuple):
    """Answers, in the order in which they are asked.

    Attributes:
        headline: the short answer.
        answers: by question.
        limits: what the study cannot tell.
    """

    headline: str
    answers: dict[str, str]
    limits: list[str]


def make_verdict(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Verdict:
    """Makes the verdict on a study that has an outcome of a first seed in some arm.

    Args:
        summary: the numbers.
        splits: what the designs of the arms say, by arm.
    """
    facts = _facts_of(summary)
    if summary.runs[summary.baseline].waits_for == Event.HIT:
        headline, answers = _answer_hit(facts)
    elif summary.is_of_logs:
        headline, answers = _answer_logs(summary, facts)
    else:
        headline, answers = _headline(summary, facts), _answers(summary, facts)
    split = splits.get(summary.baseline)
    if split is not None and split.has_design:
        lines = describe_split(summary, summary.baseline, split)
        headline = f"{headline} {lines[0]}"
        answers[_DESIGN_QUESTION] = " ".join(lines)
    if summary.under_way is not None:
        headline = _UNDER_WAY.format(headline=headline, **summary.under_way._asdict())
    return Verdict(headline, answers, find_limits(summary))


def _facts_of(summary: Summary) -> dict[str, str]:
    """Writes the numbers of the baseline as they stand in sentences."""
    arm, unit, horizon = summary.arms[summary.baseline], summary.unit, summary.horizon(summary.baseline)
    typical = find_typical(summary)
    num_typical = arm.statuses[typical] if typical else 0
    counts = [f"{arm.statuses[status]} {words}" for status, words in _STATUS_WORDS.items() if arm.statuses[status]]
    return {
        "name": summary.baseline,
        "num_runs": str(arm.num_runs),
        "runs_are": runs_are(arm.num_runs),
        "left": fraction(arm.num_left, arm.num_runs, arm.fraction),
        "counts": joined(counts),
        "num_typical": str(num_typical),
        "typical": fraction(num_typical, arm.num_runs, summary.fraction(num_typical, arm.num_runs)),
        "num_failed": str(arm.num_failed),
        "num_falling": str(arm.num_falling),
        "num_fell_back": str(arm.num_fell_back),
        "onset": onset(arm, unit, horizon),
        "mean": number(arm.restricted_mean.value, unit),
        "mean_interval": interval(arm.restricted_mean, unit),
        "late": number(arm.late_onset, unit),
        "horizon": number(horizon, unit),
        "unit": unit,
        "word": time_word(unit),
        "end": "the end of their logs" if summary.is_of_logs else "the horizon",
        "over": "" if summary.is_of_logs else f", over different {varied(summary.identity)}",
    }


def _answer_hit(facts: dict[str, str]) -> tuple[str, dict[str, str]]:
    text, wait = _HIT.format(**facts), _HIT_WAIT.format(**facts)
    return f"{text}; {wait}.", {"How often?": f"{text}.", "When?": f"The median is {facts['onset']}; {wait}."}


def _answer_logs(summary: Summary, facts: dict[str, str]) -> tuple[str, dict[str, str]]:
    level = log_answers.find_level(summary.runs[summary.baseline], summary.identity["detector"]["low"])
    if len(summary.runs) == summary.arms[summary.baseline].num_runs == 1:
        headline, answers = log_answers.headline_of_one(summary), log_answers.answers_of_one(summary)
    else:
        headline, answers = _headline(summary, facts), _answers(summary, facts)
    if level.is_doubtful:
        headline = f"{headline} {_DOUBT.format(level=level.words)}"
    return headline, {log_answers.LEVEL_QUESTION: level.words, **answers}


def _headline(summary: Summary, facts: dict[str, str]) -> str:
    arm, typical = summary.arms[summary.baseline], find_typical(summary)
    lines = [_HEADLINES.get(typical or "", _OTHER_HEADLINE)]
    if typical == "stuck" and arm.num_falling:
        lines.append(_FALLING)
    if typical is None and arm.num_runs < _FEW:
        lines.append(f"{_TOO_FEW}.")
    lines = [line.format(**facts) for line in lines]
    cures = find_cures(summary)
    if cures:
        lines.append(say_cures(summary, cures))
    if summary.looks and summary.looks[-1]["goal"] == "comparison":
        told = [name for name, c in summary.comparisons.items() if c.is_earlier or c.is_later]
        lines += [say_compared(summary, name) for name in told[:3]] or [_UNDECIDED]
    return " ".join(lines)


def _answers(summary: Summary, facts: dict[str, str]) -> dict[str, str]:
    return {
        "How often does it kick in?": _answer_how_often(summary, facts),
        "When?": _answer_when(summary, facts),
        NORMAL_QUESTION: _answer_normal(summary, facts),
        REMEDY_QUESTION: say_remedy(summary),
    }


def _answer_how_often(summary: Summary, facts: dict[str, str]) -> str:
    arm, lines = summary.arms[summary.baseline], [_HOW_OFTEN]
    if arm.num_failed:
        lines.append(_FAILED)
    if arm.num_fell_back:
        lines.append(_FELL_BACK)
    return " ".join(lines).format(**facts)


def _answer_when(summary: Summary, facts: dict[str, str]) -> str:
    arm, unit, lines = summary.arms[summary.baseline], summary.unit, [_WHEN.format(**facts)]
    if arm.onset_range:
        first, last = (number(value, unit) for value in arm.onset_range)
        lines.append(_RANGE.format(first=first, last=last))
    if arm.median_width is not None:
        lines.append(_WIDTH.format(width=number(arm.median_width, unit), unit=unit))
    if arm.accuracy_before is not None and arm.accuracy_after is not None:
        lines.append(_ACCURACY.format(before=percent(arm.accuracy_before), after=percent(arm.accuracy_after)))
        if arm.held_out_after is not None:
            lines.append(_HELD_OUT.format(held_out=percent(arm.held_out_after)))
    return " ".join(lines)


def _answer_normal(summary: Summary, facts: dict[str, str]) -> str:
    arm, typical = summary.arms[summary.baseline], find_typical(summary)
    if typical is None:
        template = f"{_TOO_FEW}: {{counts}}." if arm.num_runs < _FEW else _NOT_TYPICAL
        return template.format(**facts)
    lines = [_NORMAL[typical]]
    if typical == "broke" and math.isfinite(arm.late_onset):
        lines.append(_LATE)
    return " ".join(lines).format(**facts)
