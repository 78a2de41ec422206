"""The verdict in words. Every sentence carries its numbers and their intervals."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

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
    p_value,
    percent,
    runs_are,
)
from engine.report.summary import ArmSummary, Comparison, Summary
from engine.report.variance_split import VarianceSplit, in_words
from engine.statistics import Estimate

_STATUS_WORDS = {
    "broke": "broke out of a plateau",
    "shoulder": "learned after a delay about as long as the rise itself",
    "no_plateau": "learned without a plateau",
    "stuck": "were at chance at the end",
    "diverged": "diverged",
}


# With fewer runs even a unanimous course is not beyond chance.
_FEW = 6


class Verdict(NamedTuple):
    """Answers, in the order in which they are asked.

    Attributes:
        headline: the short answer.
        answers: question and answer.
        limits: what the study cannot tell.
    """

    headline: str
    answers: dict[str, str]
    limits: list[str]


def make_verdict(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Verdict:
    """The verdict of a study that has at least one complete seed in some arm.

    Args:
        summary: the numbers.
        splits: what the designs of the arms say, by arm.
    """
    verdict = _with_split(_verdict(summary), summary, splits)
    if summary.under_way is None:
        return verdict
    num_over, num_runs = summary.under_way
    far = f"The study is under way: {num_over} of {num_runs} runs are over. So far:"
    return verdict._replace(headline=f"{far} {verdict.headline}")


def _verdict(summary: Summary) -> Verdict:
    base = summary.arms[summary.baseline]
    horizon = _horizon(summary, summary.baseline)
    if summary.runs[summary.baseline].waits_for == Event.HIT:
        return _verdict_of_a_wait(summary, base, horizon)
    answers = {
        "How often does it kick in?": _how_often(summary, base),
        "When?": _when(summary, base, horizon),
        NORMAL_QUESTION: _is_normal(summary, base, horizon),
        REMEDY_QUESTION: _what_fixes(summary),
    }
    headline = _headline(summary, base, horizon) + _decided(summary)
    if summary.of_logs:
        level = log_answers.find_level(summary.runs[summary.baseline], summary.low)
        if len(summary.runs) == base.num_runs == 1:
            headline, answers = log_answers.headline_of_one(summary), log_answers.answers_of_one(summary)
        answers = {"Is the loss at chance level at all?": level.words, **answers}
        headline += f" But is it at chance level at all? {level.words}" * level.is_doubtful
    return Verdict(headline, answers, find_limits(summary))


def _with_split(verdict: Verdict, summary: Summary, splits: Mapping[str, VarianceSplit]) -> Verdict:
    """The verdict with what the design of the baseline says of its wait."""
    name = summary.baseline
    split = splits.get(name)
    if split is None or (split.components is None and split.forks is None):
        return verdict
    lines = in_words(name, summary.runs[name], split, summary.unit, summary.steps_per_unit(name))
    question = "Is it chance, or decided at the start?"
    return verdict._replace(
        headline=f"{verdict.headline} {lines[0]}", answers={**verdict.answers, question: " ".join(lines)}
    )


def _verdict_of_a_wait(summary: Summary, base: ArmSummary, horizon: float) -> Verdict:
    """Of a baseline that waits for an event of its task's own: nothing to fix, only a time."""
    mean, unit = base.restricted_mean, summary.unit
    hit = fraction(_num_learned(base), base.num_runs, base.fraction)
    text = f"“{summary.baseline}”: {hit} had the event within {number(horizon, unit)} {unit}"
    wait = f"the mean wait up to there is {number(mean.value, unit)} {unit} (95 % CI {interval(mean, unit)})"
    answers = {"How often?": f"{text}.", "When?": f"The median is {onset(base, unit, horizon)}; {wait}."}
    return Verdict(f"{text}; {wait}.", answers, find_limits(summary))


def _horizon(summary: Summary, name: str) -> float:
    return summary.runs[name].horizon / summary.steps_per_unit(name)


def _num_learned(arm: ArmSummary) -> int:
    return sum(arm.statuses[s] for s in ("broke", "no_plateau", "shoulder"))


def _counts(arm: ArmSummary) -> str:
    """`23 broke out of a plateau and 1 diverged`."""
    return joined([f"{arm.statuses[s]} {w}" for s, w in _STATUS_WORDS.items() if arm.statuses[s]])


def _typical(summary: Summary, arm: ArmSummary) -> str | None:
    """The status that more than half of all runs have, beyond chance; `None` without one."""
    for status, count in arm.statuses.items():
        if summary.fraction(count, arm.num_runs).lower > 0.5:
            return status
    return None


def _end(summary: Summary) -> str:
    """Where runs are no longer watched."""
    return "the end of their logs" if summary.of_logs else "the horizon"


def _headline(summary: Summary, base: ArmSummary, horizon: float) -> str:
    name, typical = summary.baseline, _typical(summary, base)
    left = fraction(_num_learned(base), base.num_runs, base.fraction)
    if typical == "broke":
        return (
            f"This is normal for “{name}”: {left} left chance level by themselves, in the median "
            f"at {onset(base, summary.unit, horizon)}.{_cause(summary)}"
        )
    if typical == "stuck":
        return (
            f"“{name}” is held at chance level: {base.statuses['stuck']} of {base.num_runs} runs "
            f"were there at {_end(summary)}; {left} left it.{_falling(base)}{_cause(summary)}"
        )
    if typical == "diverged":
        diverged = base.statuses["diverged"]
        return f"“{name}” diverges: {diverged} of {base.num_runs} runs; {left} left chance level."
    text = f"“{name}”: {left} left chance level; the median onset is "
    text += f"{onset(base, summary.unit, horizon)}."
    if typical is None and base.num_runs < _FEW:
        text += f" {_too_few(base)}."
    return text


def _too_few(base: ArmSummary) -> str:
    return f"{runs_are(base.num_runs)} too few to say what is typical"


def _decided(summary: Summary) -> str:
    """What a comparison that seeds were added for has come to."""
    if not summary.looks or summary.looks[-1]["goal"] != "comparison":
        return ""
    found = [name for name, c in summary.comparisons.items() if c.is_earlier or c.is_later]
    if not found:
        return " No other configuration is told from it yet."
    return " " + " ".join(_compared(summary, name) for name in found[:3])


def _falling(base: ArmSummary) -> str:
    if not base.num_falling:
        return ""
    return f" But in {base.num_falling} of them the loss had begun to fall: train longer before anything else."


def _cause(summary: Summary) -> str:
    """Which single changes release the baseline."""
    changes = [_change_words(summary.comparisons[name]) for name in _cures(summary)]
    if not changes:
        return ""
    comma = "," if len(changes) > 1 else ""
    return (
        f" The plateau belongs to the set-up and can be removed: {', or '.join(changes)}{comma} "
        f"makes it kick in earlier, with everything else as it was."
    )


def _how_often(summary: Summary, base: ArmSummary) -> str:
    left = fraction(_num_learned(base), base.num_runs, base.fraction)
    text = (
        f"{left} of “{summary.baseline}” left chance level by {_end(summary)}. Of all {base.num_runs}, {_counts(base)}."
    )
    if base.num_failed:
        text += f" {base.num_failed} more failed and have no outcome."
    if base.num_fell_back:
        text += f" {base.num_fell_back} of those at chance had left it before and fell back."
    return text


def _when(summary: Summary, base: ArmSummary, horizon: float) -> str:
    unit = summary.unit
    text = f"The median onset is {onset(base, unit, horizon)}"
    if base.onset_range:
        low, high = (number(v, unit) for v in base.onset_range)
        text += f"; the onsets seen lie between {low} and {high}"
    text += "."
    if base.median_width is not None:
        width = number(base.median_width, unit)
        text += f" At its steepest, the rise would take {width} {unit} from 10 to 90 % (median over runs)"
        if base.accuracy_before is not None and base.accuracy_after is not None:
            text += (
                f"; training accuracy is {percent(base.accuracy_before)} at the onset and "
                f"{percent(base.accuracy_after)} at the end"
            )
            if base.held_out_after is not None:
                text += f" ({percent(base.held_out_after)} on held-out examples)"
        text += "."
    return text


def _is_normal(summary: Summary, base: ArmSummary, horizon: float) -> str:
    typical, unit = _typical(summary, base), summary.unit
    if typical is None:
        if base.num_runs < _FEW:
            return f"{_too_few(base)}: {_counts(base)}."
        return f"There is no typical course: {_counts(base)}."
    share = summary.fraction(base.statuses[typical], base.num_runs)
    counted = fraction(base.statuses[typical], base.num_runs, share)
    if typical == "broke":
        text = (
            f"Yes. A flat loss followed by a break is what this configuration does: {counted} show it{_over(summary)}."
        )
        if math.isfinite(base.late_onset):
            word = "epoch" if unit == "epochs" else "step"
            text += f" Nine of ten runs had left by {word} {number(base.late_onset, unit)}; one "
            text += "that is flat for longer is unusual here."
        return text
    if typical == "stuck":
        end = _end(summary)
        return f"A loss at chance at {end} ({number(horizon, unit)} {unit}) is what this configuration does: {counted}."
    if typical == "diverged":
        return f"No: this configuration diverges ({counted})."
    if typical == "shoulder":
        return f"A delay is normal here, but it is no longer than the rise itself takes: {counted} show that."
    return f"A flat stretch would not be normal here: {counted} learn without one."


def _over(summary: Summary) -> str:
    """Over what the runs of an arm differ."""
    return "" if summary.of_logs else f", over different {summary.varied.rstrip(',')}"


def _what_fixes(summary: Summary) -> str:
    num_arms = len(summary.runs) + len(summary.missing) + len(summary.failed)
    if not summary.comparisons and num_arms > 1:
        return (
            "Nothing in this study can be compared with it yet: the other configurations wait for "
            "another event, or have no outcome of a first seed."
        )
    if not summary.comparisons and summary.of_logs:
        return log_answers.answer_of_one_group()
    if not summary.comparisons:
        return (
            "This study has one configuration, so it cannot say what would change the time. Add "
            "arms, for example with --sweep=init=normal,he."
        )
    earlier, cures = _earlier(summary), _cures(summary)
    sentences = [_compared(summary, name) for name in cures or earlier[:3]]
    num_more = len(earlier) - len(sentences)
    if num_more > 0:
        others = "configuration is" if num_more == 1 else "configurations are"
        sentences.append(f"{num_more} more {others} earlier too; see the table.")
    if cures:
        sentences.append(
            "A mistake that all arms share, in the data or in the training code, would not go away with such a change."
        )
    if sentences:
        return log_answers.answer_of_fix(sentences) if summary.of_logs else " ".join(sentences)
    later = [name for name, c in summary.comparisons.items() if c.is_later]
    text = "None of the other configurations kicks in earlier, as far as this study can tell."
    if later:
        text += f" Later: {joined([_compared(summary, name) for name in later[:3]])}"
    return text


def _earlier(summary: Summary) -> list[str]:
    """Arms that kick in earlier than the baseline: fewest changes first, then largest effect."""
    found = [
        (len(_shown_changes(comparison)), comparison.difference.value, name)
        for name, comparison in summary.comparisons.items()
        if comparison.is_earlier
    ]
    return [name for *_, name in sorted(found)]


def _cures(summary: Summary) -> list[str]:
    """Arms that release a baseline that is typically on a plateau, at most three.

    An arm counts where its plateau is no longer typical, or its median onset is less than half the
    baseline's, both beyond chance; of every minimal set of changed fields the earliest one.
    """
    base = summary.arms[summary.baseline]
    if summary.of_logs or _typical(summary, base) not in ("broke", "stuck"):
        return []
    chosen: dict[frozenset[str], str] = {}
    for name in _earlier(summary):
        arm = summary.arms[name]
        is_released = arm.fraction.lower > 0.5 and (
            arm.plateau_fraction.upper < 0.5 or 2 * arm.median_onset.upper < base.median_onset.lower
        )
        fields = frozenset(_shown_changes(summary.comparisons[name]))
        if is_released and not any(smaller <= fields for smaller in chosen):
            chosen[fields] = name
    return list(chosen.values())[:3]


def _shown_changes(comparison: Comparison) -> dict[str, tuple[Any, Any]]:
    """The changed fields, without those that only exist under another choice."""
    return {field: pair for field, pair in comparison.changed.items() if None not in pair}


def _change_words(comparison: Comparison) -> str:
    """What is different in an arm, e.g. `init=he in place of normal`."""
    words = [
        f"{field}={_plain(own)} in place of {_plain(base)}" for field, (base, own) in _shown_changes(comparison).items()
    ]
    return joined(words)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _compared(summary: Summary, name: str) -> str:
    comparison, unit = summary.comparisons[name], summary.unit
    difference = comparison.difference
    direction = "earlier" if difference.value < 0 else "later"
    adjusted = "at every look" if summary.has_looks else "after Holm"
    has_censored = min(summary.arms[n].fraction.value for n in (name, summary.baseline)) < 1
    least = "at least " if has_censored else ""
    lower, upper = sorted((abs(difference.lower), abs(difference.upper)))
    size = Estimate(abs(difference.value), lower, upper)
    changed = _change_words(comparison)
    return (
        f"“{name}”{changed and f' ({changed})'}: the median onset is "
        f"{onset(summary.arms[name], unit, _horizon(summary, name))}, on average {least}"
        f"{number(size.value, unit)} {unit} {direction} (95 % CI {interval(size, unit)}; "
        f"{p_value(comparison.p_adjusted)} {adjusted})."
    )
