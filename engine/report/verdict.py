"""The verdict on a study in sentences, each with its numbers and their intervals, and what would change the wait."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import counted
from ..outcomes.event import Event
from . import held_runs, log_answers, phrases
from .limits import find_limits
from .notes import after_faults
from .phrases import fraction, interval, joined, moment, number, of_runs, onset, percent, varied
from .remedies import MOST_NAMED, find_cures, find_earlier, say_change, say_compared, say_undecided
from .summary import ArmSummary, Summary
from .variance_split import VarianceSplit, describe_split

# With fewer runs even a unanimous course is not beyond chance.
_FEW = 6
_STATUS_WORDS = {
    "broke": "broke out of a plateau",
    "shoulder": "learned after a delay about as long as the rise itself",
    "no_plateau": "learned without a plateau",
    "stuck": "ended at chance",
    "above": "ended worse than {untaught}",
    "diverged": "diverged",
}

# Headlines and answers by the status that is typical of the baseline. What stands in braces is made by `_facts_of`.
_HEADLINES = {
    "broke": "This is normal for “{name}”: {left} left chance level by themselves, in the median at {onset}.",
    "stuck": "“{name}” is held at chance level: {num_typical} of {num_runs} runs did not leave it by {end}; "
    "{left} did.",
    "above": "“{name}” does worse than {untaught}: {above} at {end}; {left} left chance level.",
    "diverged": "“{name}” diverges: {num_typical} of {num_runs} runs; {left} left chance level.",
}
_OTHER_HEADLINE = "“{name}”: {left} left chance level; the median onset is {onset}."
_NORMAL = {
    "broke": "Yes. A flat loss followed by a break is what this configuration does: {typical} show it{over}.",
    "stuck": "A loss at chance at {end} ({horizon} {unit}) is what this configuration does: {typical}.",
    "steady": "Not having left chance level by {end} ({horizon} {unit}) is what this configuration does: {typical}.",
    "above": "A loss above that of {untaught} at {end} ({horizon} {unit}) is what this configuration does: {above}.",
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
        headline = f"The study is under way: {of_runs(num_over, num_runs)} over. So far: {headline}"
    return Verdict(after_faults(summary, headline), answers, find_limits(summary))


def _facts_of(summary: Summary) -> dict[str, Any]:
    arm, unit, horizon = summary.arms[summary.baseline], summary.unit, summary.horizon(summary.baseline)
    typical = summary.typical_status
    num_typical = arm.statuses[typical] if typical else 0
    is_open = summary.is_of_logs and typical in ("stuck", None)
    steady = log_answers.say_steady(summary.runs[summary.baseline]) if is_open else None
    words = _STATUS_WORDS | ({"stuck": "had not left chance level for good by the end"} if steady else {})
    numbers = {**arm.statuses, "stuck": arm.statuses["stuck"] - arm.num_above_chance, "above": arm.num_above_chance}
    untaught = held_runs.untaught(arm)
    counts = [f"{numbers[s]} {words_of.format(untaught=untaught)}" for s, words_of in words.items() if numbers[s]]
    return {
        **arm._asdict(),
        "name": summary.baseline,
        "left": fraction(arm.num_left, arm.num_runs, arm.fraction),
        "counts": joined(counts),
        "above": held_runs.above_chance(arm),
        "untaught": untaught,
        "num_typical": num_typical,
        "typical": fraction(num_typical, arm.num_runs, summary.fraction(num_typical, arm.num_runs)),
        "onset": onset(arm, unit, horizon),
        "mean": f"{number(arm.restricted_mean.value, unit)} {unit} (95 % CI {interval(arm.restricted_mean, unit)})",
        "horizon": number(horizon, unit),
        "unit": unit,
        "end": "the end of their logs" if summary.is_of_logs else "the horizon",
        "steady": steady,
        "over": "" if summary.is_of_logs else f", over different {varied(summary.identity)}",
    }


def _answer_hit(facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Answers for a baseline that waits for an event of its task's own: there is nothing to fix, only a time."""
    text = "“{name}”: {left} had the event within {horizon} {unit}".format(**facts)
    wait = f"the mean wait up to there is {facts['mean']}"
    return f"{text}; {wait}.", {"How often?": f"{text}.", "When?": f"The median is {facts['onset']}; {wait}."}


def _answer_logs(summary: Summary, facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    level, is_doubtful = log_answers.find_level(summary.runs[summary.baseline], summary.identity["detector"]["low"])
    if summary.is_of_one_log:
        headline, answers = log_answers.answer_for_one(summary)
    else:
        headline, answers = _answer_runs(summary, facts)
    if is_doubtful:
        headline = f"{headline} But is it at chance level at all? {level}"
    return headline, {log_answers.LEVEL_QUESTION: level, **answers}


def _headline(summary: Summary, facts: dict[str, Any]) -> str:
    arm, typical = summary.arms[summary.baseline], summary.typical_status
    course = "steady" if facts["steady"] else _course(arm, typical)
    lines = [_HEADLINES.get(course, _OTHER_HEADLINE).format(**facts)]
    if facts["steady"]:
        lines.append(facts["steady"])
    else:
        lines += held_runs.describe(arm, course != "above")
    if typical == "stuck" and arm.num_falling and not facts["steady"]:
        lines.append(f"But in {arm.num_falling} of them the loss had begun to fall: train longer before anything else.")
    if typical is None and arm.num_runs < _FEW:
        lines.append(f"{_too_few(arm)}.")
    cures = find_cures(summary)
    if cures:
        lines.append(_say_cures(summary, cures))
    if summary.looks and summary.looks[-1]["goal"] == "comparison":
        told = [name for name, c in summary.comparisons.items() if c.is_earlier or c.is_later]
        lines += [say_compared(summary, name) for name in told[:3]] or ["No other configuration is told from it yet."]
    return " ".join(lines)


def _answer_runs(summary: Summary, facts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    arm = summary.arms[summary.baseline]
    how_often = ["{left} of “{name}” left chance level by {end}. Of all {num_runs}, {counts}.".format(**facts)]
    if arm.num_failed:
        how_often.append(f"{arm.num_failed} more failed, without an outcome.")
    return _headline(summary, facts), {
        "How often does it kick in?": " ".join(how_often),
        "When?": _answer_when(summary, facts),
        phrases.NORMAL_QUESTION: _answer_normal(summary, facts),
        phrases.REMEDY_QUESTION: _say_remedy(summary),
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
    if arm.metric_before is not None and arm.metric_after is not None:
        lines.append(
            f"The {arm.metric} is {arm.metric_before:.3g} at the onset and {arm.metric_after:.3g} at the end"
            + ("." if arm.held_out_metric_after is None else f", and {arm.held_out_metric_after:.3g} held out.")
        )
    return " ".join(lines)


def _answer_normal(summary: Summary, facts: dict[str, Any]) -> str:
    arm, typical = summary.arms[summary.baseline], summary.typical_status
    if typical is None:
        return f"{_too_few(arm) if arm.num_runs < _FEW else 'There is no typical course'}: {facts['counts']}."
    answer = _NORMAL["steady" if facts["steady"] else _course(arm, typical)].format(**facts)
    if typical == "broke" and math.isfinite(arm.late_onset):
        late = moment(arm.late_onset, summary.unit)
        answer += f" Nine of ten runs had left by {late}; one that is flat for longer is unusual here."
    return answer


def _course(arm: ArmSummary, typical: str | None) -> str:
    """Returns the key of the words for a typical status; runs that did not leave chance level may be above it."""
    is_above = typical == "stuck" and held_runs.are_above_chance(arm)
    return "above" if is_above else typical or ""


def _say_cures(summary: Summary, cures: list[str]) -> str:
    changes = ", or ".join(say_change(summary, name) for name in cures) + ("," if len(cures) > 1 else "")
    return (
        f"The plateau belongs to the set-up and can be removed: {changes} makes it kick in earlier, with everything "
        "else as it was."
    )


def _say_remedy(summary: Summary) -> str:
    if not summary.comparisons:
        if len(summary.document["arm_order"]) > 1:
            return (
                "Nothing in this study can be compared with it yet: the other configurations wait for another event, "
                "or have no outcome of a first seed."
            )
        if summary.is_of_logs:
            return log_answers.ONE_GROUP
        (arm,) = summary.document["identity"]["arms"].values()
        example = "learning_rate=1e-3,1e-2" if arm.get("trainer") else "init=normal,he"
        return (
            "This study has one configuration, so it cannot say what would change the time. Add arms, for example with "
            f"--sweep={example}."
        )
    earlier, cures = find_earlier(summary), find_cures(summary)
    lines = [say_compared(summary, name) for name in cures or earlier[:MOST_NAMED]]
    if not lines:
        none = "None of the other configurations kicks in earlier, as far as this study can tell."
        later = [name for name, comparison in summary.comparisons.items() if comparison.is_later]
        arms = " ".join(say_compared(summary, name) for name in later[:MOST_NAMED])
        return " ".join([none, *([f"Later: {arms}"] if later else []), *say_undecided(summary)])
    num_more = len(earlier) - len(lines)
    if num_more > 0:
        more = counted(num_more, "more configuration is", "more configurations are")
        lines.append(f"{more} earlier too; see the table.")
    if cures:
        lines.append(
            "A mistake that all arms share, in the data or in the training code, would not go away with such a change."
        )
    if summary.is_of_logs:
        lines.append("What is different between groups is not in the logs: whether it is the cause, only you know.")
    return " ".join(lines)
