"""The verdict on a study in sentences, each with its numbers and their intervals."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.outcomes.event import Event
from engine.report import log_answers, phrases
from engine.report.limits import find_limits
from engine.report.phrases import counted, fraction, interval, joined, moment, number, onset, percent, varied
from engine.report.remedy import find_cures, find_typical, say_compared, say_cures, say_remedy
from engine.report.summary import ArmSummary, Summary
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
_NORMAL = {
    "broke": "Yes. A flat loss followed by a break is what this configuration does: {typical} show it{over}.",
    "stuck": "A loss at chance at {end} ({horizon} {unit}) is what this configuration does: {typical}.",
    "diverged": "No: this configuration diverges ({typical}).",
    "shoulder": "A delay is normal here, but it is no longer than the rise itself takes: {typical} show that.",
    "no_plateau": "A flat stretch would not be normal here: {typical} learn without one.",
}


class Verdict(NamedTuple):
    """A headline, answers by question in the order in which they are asked, and what the study cannot tell."""

    headline: str
    answers: dict[str, str]
    limits: list[str]


def make_verdict(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Verdict:
    """Makes the verdict on a study that has an outcome of a first seed in some arm."""
    facts = _facts_of(summary)
    if summary.runs[summary.baseline].waits_for == Event.HIT:
        headline, answers = _answer_hit(facts)
    elif summary.is_of_logs:
        headline, answers = _answer_logs(summary, facts)
    else:
        headline, answers = _answer_runs(summary, facts)
    split = splits.get(summary.baseline)
    if split is not None and split.has_design:
        lines = describe_split(summary, summary.baseline, split)
        headline = f"{headline} {lines[0]}"
        answers["Is it chance, or decided at the start?"] = " ".join(lines)
    if summary.under_way is not None:
        num_over, num_runs = summary.under_way
        headline = f"The study is under way: {num_over} of {num_runs} runs are over. So far: {headline}"
    return Verdict(headline, answers, find_limits(summary))


def _facts_of(summary: Summary) -> dict[str, Any]:
    arm, unit, horizon = summary.arms[summary.baseline], summary.unit, summary.horizon(summary.baseline)
    typical = find_typical(summary)
    num_typical = arm.statuses[typical] if typical else 0
    counts = [f"{arm.statuses[status]} {words}" for status, words in _STATUS_WORDS.items() if arm.statuses[status]]
    return {
        **arm._asdict(),
        "name": summary.baseline,
        "left": fraction(arm.num_left, arm.num_runs, arm.fraction),
        "counts": joined(counts),
        "num_typical": num_typical,
        "typical": fraction(num_typical, arm.num_runs, summary.fraction(num_typical, arm.num_runs)),
        "onset": onset(arm, unit, horizon),
        "mean": number(arm.restricted_mean.value, unit),
        "mean_interval": interval(arm.restricted_mean, unit),
        "horizon": number(horizon, unit),
        "unit": unit,
        "end": "the end of their logs" if summary.is_of_logs else "the horizon",
        "over": "" if summary.is_of_logs else f", over different {varied(summary.identity)}",
    }


def _answer_hit(facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Answers for a baseline that waits for an event of its task's own: there is nothing to fix, only a time."""
    text = "“{name}”: {left} had the event within {horizon} {unit}".format(**facts)
    wait = "the mean wait up to there is {mean} {unit} (95 % CI {mean_interval})".format(**facts)
    return f"{text}; {wait}.", {"How often?": f"{text}.", "When?": f"The median is {facts['onset']}; {wait}."}


def _answer_logs(summary: Summary, facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    level, is_doubtful = log_answers.find_level(summary.runs[summary.baseline], summary.identity["detector"]["low"])
    if len(summary.runs) == summary.arms[summary.baseline].num_runs == 1:
        headline, answers = log_answers.answer_for_one(summary)
    else:
        headline, answers = _answer_runs(summary, facts)
    if is_doubtful:
        headline = f"{headline} But is it at chance level at all? {level}"
    return headline, {log_answers.LEVEL_QUESTION: level, **answers}


def _headline(summary: Summary, facts: dict[str, Any]) -> str:
    arm, typical = summary.arms[summary.baseline], find_typical(summary)
    lines = [_HEADLINES.get(typical or "", _OTHER_HEADLINE).format(**facts)]
    if typical == "stuck" and arm.num_falling:
        lines.append(f"But in {arm.num_falling} of them the loss had begun to fall: train longer before anything else.")
    if typical is None and arm.num_runs < _FEW:
        lines.append(f"{_too_few(arm)}.")
    cures = find_cures(summary)
    if cures:
        lines.append(say_cures(summary, cures))
    if summary.looks and summary.looks[-1]["goal"] == "comparison":
        told = [name for name, c in summary.comparisons.items() if c.is_earlier or c.is_later]
        lines += [say_compared(summary, name) for name in told[:3]] or ["No other configuration is told from it yet."]
    return " ".join(lines)


def _answer_runs(summary: Summary, facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    arm = summary.arms[summary.baseline]
    how_often = ["{left} of “{name}” left chance level by {end}. Of all {num_runs}, {counts}.".format(**facts)]
    if arm.num_failed:
        how_often.append(f"{arm.num_failed} more failed and have no outcome.")
    if arm.num_fell_back:
        how_often.append(f"{arm.num_fell_back} of those at chance had left it before and fell back.")
    return _headline(summary, facts), {
        "How often does it kick in?": " ".join(how_often),
        "When?": _answer_when(summary, facts),
        phrases.NORMAL_QUESTION: _answer_normal(summary, facts),
        phrases.REMEDY_QUESTION: say_remedy(summary),
    }


def _too_few(arm: ArmSummary) -> str:
    return f"{counted(arm.num_runs, 'run is', 'runs are')} too few to say what is typical"


def _answer_when(summary: Summary, facts: dict[str, Any]) -> str:
    arm, unit, lines = summary.arms[summary.baseline], summary.unit, [f"The median onset is {facts['onset']}."]
    if arm.onset_range:
        first, last = (number(value, unit) for value in arm.onset_range)
        lines.append(f"The onsets seen lie between {first} and {last}.")
    if arm.median_width is not None:
        width = number(arm.median_width, unit)
        lines.append(f"At its steepest, the rise would take {width} {unit} from 10 to 90 % (median over runs).")
    if arm.accuracy_before is not None and arm.accuracy_after is not None:
        before, after = percent(arm.accuracy_before), percent(arm.accuracy_after)
        lines.append(f"Training accuracy is {before} at the onset and {after} at the end.")
        if arm.held_out_after is not None:
            lines.append(f"Accuracy on held-out examples is {percent(arm.held_out_after)} at the end.")
    return " ".join(lines)


def _answer_normal(summary: Summary, facts: dict[str, Any]) -> str:
    arm, typical = summary.arms[summary.baseline], find_typical(summary)
    if typical is None:
        return f"{_too_few(arm) if arm.num_runs < _FEW else 'There is no typical course'}: {facts['counts']}."
    answer = _NORMAL[typical].format(**facts)
    if typical == "broke" and math.isfinite(arm.late_onset):
        late = moment(arm.late_onset, summary.unit)
        answer += f" Nine of ten runs had left by {late}; one that is flat for longer is unusual here."
    return answer
