"""The verdict in words. Every sentence carries its numbers and their intervals."""

import math
from typing import Any, NamedTuple

from engine.report.summary import ArmSummary, Comparison, Summary
from engine.statistics import Estimate

_LEVEL = 0.05


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


def number(value: float, unit: str = "") -> str:
    """A time or a difference as people write it: three digits, never more than one decimal."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = 1 if abs(value) < 100 and unit != "steps" else 0
    return f"{value:.{digits}f}".replace("-", "−")


def percent(value: float) -> str:
    """A share as a whole percentage, one decimal near the ends."""
    scaled = 100.0 * value
    near_end = 0 < scaled < 1 or 99 < scaled < 100
    return f"{scaled:.1f} %" if near_end else f"{scaled:.0f} %"


def p_value(p: float) -> str:
    """`p = 0.012`, or `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def interval(estimate: Estimate, unit: str) -> str:
    """`10.6–11.9`, or `10.6–∞` where the upper limit does not exist."""
    lower, upper = number(estimate.lower, unit), number(estimate.upper, unit)
    return f"{lower} to {upper}" if estimate.lower < 0 else f"{lower}–{upper}"


def fraction(successes: int, arm: ArmSummary, estimate: Estimate) -> str:
    """`24 of 24 runs (100 %, 95 % CI 86–100 %)`."""
    low, high = percent(estimate.lower).removesuffix(" %"), percent(estimate.upper)
    share = percent(estimate.value)
    return f"{successes} of {arm.num_runs} runs ({share}, 95 % CI {low}–{high})"


def onset(arm: ArmSummary, unit: str, horizon: float) -> str:
    """The median onset with its interval, or that it lies beyond the horizon."""
    median = arm.median_onset
    word = "epoch" if unit == "epochs" else "step"
    if math.isinf(median.value):
        least = "" if math.isinf(median.lower) else f", 95 % CI {interval(median, unit)}"
        return f"later than {word} {number(horizon, unit)}, the horizon{least}"
    return f"{word} {number(median.value, unit)} (95 % CI {interval(median, unit)})"


def make_verdict(summary: Summary) -> Verdict:
    """The verdict of a study that has at least one complete seed in its baseline."""
    base = summary.arms[summary.baseline]
    runs = summary.runs[summary.baseline]
    horizon = runs.horizon / summary.steps_per_unit(summary.baseline)
    answers = {
        "How often does it kick in?": _how_often(summary, base),
        "When?": _when(summary, base, horizon),
        "Is that normal for this set-up?": _is_normal(summary, base, horizon),
        "Is something wrong, and what would fix it?": _what_fixes(summary, base),
    }
    return Verdict(_headline(summary, base, horizon), answers, _limits(summary))


def _num_learned(arm: ArmSummary) -> int:
    return sum(arm.statuses[s] for s in ("broke", "no_plateau", "shoulder"))


def _is_typical(estimate: Estimate) -> bool:
    """Whether more than half of all runs do it, beyond chance."""
    return estimate.lower > 0.5


def _headline(summary: Summary, base: ArmSummary, horizon: float) -> str:
    when = onset(base, summary.unit, horizon)
    left = fraction(_num_learned(base), base, base.fraction)
    if _is_typical(base.plateau_fraction):
        cause = _cause(summary)
        return (
            f"This is normal for “{summary.baseline}”: {left} left chance level by themselves, in "
            f"the median at {when}.{cause}"
        )
    if base.statuses["stuck"] > base.num_runs / 2:
        stuck = base.statuses["stuck"]
        return (
            f"“{summary.baseline}” is held at chance level: {stuck} of {base.num_runs} runs were "
            f"still there at the horizon; {left} left it.{_cause(summary)}"
        )
    if base.statuses["diverged"] > base.num_runs / 2:
        return (
            f"“{summary.baseline}” diverges: {base.statuses['diverged']} of {base.num_runs} runs."
        )
    return f"“{summary.baseline}”: {left} left chance level, in the median at {when}."


def _cause(summary: Summary) -> str:
    """What holds the baseline at chance, as far as single changes release it."""
    changes = [_change_words(summary, name) for name in _cures(summary)]
    if not changes:
        return ""
    return (
        f" What holds it there is the set-up, not a bug: {', or '.join(changes)}, makes it kick in "
        f"earlier, with everything else as it was."
    )


def _how_often(summary: Summary, base: ArmSummary) -> str:
    parts = [
        f"{fraction(_num_learned(base), base, base.fraction)} of “{summary.baseline}” left chance "
        f"level within the horizon."
    ]
    names = {
        "broke": "broke out of a plateau",
        "shoulder": "learned after a short delay",
        "no_plateau": "learned without a plateau",
        "stuck": "were still at chance at the horizon",
        "diverged": "diverged",
    }
    counts = [f"{base.statuses[s]} {words}" for s, words in names.items() if base.statuses[s]]
    parts.append(f"Of all {base.num_runs}, {_joined(counts)}.")
    return " ".join(parts)


def _when(summary: Summary, base: ArmSummary, horizon: float) -> str:
    unit = summary.unit
    text = f"The median onset is {onset(base, unit, horizon)}"
    if base.onset_range:
        low, high = (number(v, unit) for v in base.onset_range)
        text += f"; the onsets seen lie between {low} and {high}"
    text += "."
    if base.median_width is not None:
        text += (
            f" Where it learns, the steepest stretch would carry it from start to end in "
            f"{number(base.median_width, unit)} {unit} (median)"
        )
        if base.accuracy_before is not None and base.accuracy_after is not None:
            text += (
                f", and training accuracy goes from {percent(base.accuracy_before)} at the onset "
                f"to {percent(base.accuracy_after)} at the end"
            )
            if base.held_out_after is not None:
                text += f" ({percent(base.held_out_after)} on held-out examples)"
        text += "."
    return text


def _is_normal(summary: Summary, base: ArmSummary, horizon: float) -> str:
    broke = fraction(base.statuses["broke"], base, base.plateau_fraction)
    if _is_typical(base.plateau_fraction):
        text = (
            f"Yes. A flat loss followed by a break is what this configuration does: {broke} show "
            f"it, over different {summary.varied.rstrip(',')}."
        )
        if base.onset_range and summary.unit == "epochs":
            text += (
                f" A single run that is still flat at epoch {number(base.onset_range[1])} is not "
                f"yet unusual here."
            )
        return text
    if base.statuses["stuck"] > base.num_runs / 2:
        return (
            f"A loss that stays flat to the horizon of {number(horizon, summary.unit)} "
            f"{summary.unit} is what most runs of this configuration do; {broke} broke out."
        )
    learned = base.statuses["no_plateau"] + base.statuses["shoulder"]
    if learned > base.num_runs / 2:
        return (
            f"A long flat stretch would not be normal here: {learned} of {base.num_runs} runs "
            f"learn without a plateau or after a short delay; {broke} broke out of one."
        )
    return f"The runs do not agree: {broke} broke out of a plateau, the others did something else."


def _what_fixes(summary: Summary, base: ArmSummary) -> str:
    if not summary.comparisons:
        return (
            "This study has one configuration, so it cannot say what would change the time. Add "
            "arms, for example with --sweep=init=normal,he."
        )
    sentences = [_compared(summary, name) for name in _cures(summary)]
    num_more = len(_earlier(summary)) - len(sentences)
    if num_more > 0:
        sentences.append(f"{num_more} more configurations are earlier too; see the table.")
    if sentences:
        ending = (
            "Since one such change is enough while data, code and optimiser stay as they are, the "
            "plateau comes from what was changed, and not from a mistake elsewhere."
        )
        if not base.statuses["broke"] and not base.statuses["stuck"]:
            ending = "The baseline itself has no plateau to remove."
        return " ".join([*sentences, ending])
    later = [name for name, c in summary.comparisons.items() if c.difference.lower > 0]
    text = "None of the other configurations kicks in earlier, as far as this study can tell."
    if later:
        text += f" Later: {_joined([_compared(summary, name) for name in later[:3]])}"
    return text


def _earlier(summary: Summary) -> list[str]:
    """Arms that kick in earlier than the baseline beyond chance.

    The fewest changes come first, and among those the largest effect.
    """
    found = [
        (len(_shown_changes(c)), c.difference.value, name)
        for name, c in summary.comparisons.items()
        if c.difference.upper < 0 and c.p_holm < _LEVEL
    ]
    return [name for *_, name in sorted(found)]


def _cures(summary: Summary) -> list[str]:
    """The earliest arm for every minimal set of changed fields; at most three."""
    chosen: dict[frozenset[str], str] = {}
    for name in _earlier(summary):
        fields = frozenset(_shown_changes(summary.comparisons[name]))
        if not any(smaller <= fields for smaller in chosen):
            chosen[fields] = name
    return list(chosen.values())[:3]


def _change_words(summary: Summary, name: str) -> str:
    """What is different in an arm, e.g. `init=he in place of normal`."""
    shown = _shown_changes(summary.comparisons[name])
    words = [
        f"{field}={_plain(own)} in place of {_plain(base)}" for field, (base, own) in shown.items()
    ]
    return _joined(words) or "what differs"


def _shown_changes(comparison: Comparison) -> dict[str, tuple[Any, Any]]:
    """The changed fields, without those that only exist under another choice."""
    changed = comparison.changed
    return {field: pair for field, pair in changed.items() if None not in pair}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _compared(summary: Summary, name: str) -> str:
    comparison: Comparison = summary.comparisons[name]
    unit, difference = summary.unit, comparison.difference
    horizon = summary.runs[name].horizon / summary.steps_per_unit(name)
    direction = "earlier" if difference.value < 0 else "later"
    has_censored = min(summary.arms[n].fraction.value for n in (name, summary.baseline)) < 1
    least = "at least " if has_censored else ""
    lower, upper = sorted((abs(difference.lower), abs(difference.upper)))
    size = Estimate(abs(difference.value), lower, upper)
    return (
        f"“{name}” ({_change_words(summary, name)}) leaves chance level at "
        f"{onset(summary.arms[name], unit, horizon)}, on average {least}"
        f"{number(size.value, unit)} {unit} {direction} (95 % CI {interval(size, unit)}; "
        f"{p_value(comparison.p_holm)} after Holm)."
    )


def _limits(summary: Summary) -> list[str]:
    lines = [
        "A run that is still flat at the horizon is censored there: it says nothing about “never”.",
        f"The intervals describe the {summary.varied} of these configurations on this data set, "
        f"each at 95 % on its own; they do not carry over to another network or data set.",
    ]
    for name, runs in summary.runs.items():
        used = len(runs.status)
        if used < runs.num_planned:
            lines.append(
                f"“{name}” is not complete: {runs.num_stored} of {runs.num_planned} runs are over, "
                f"and the first {used} in the order of seeds are used, because quick runs end "
                f"first."
            )
    num_coarse = sum(arm.num_coarse for arm in summary.arms.values())
    if num_coarse:
        num_runs = sum(arm.num_runs for arm in summary.arms.values())
        lines.append(
            f"In {num_coarse} of {num_runs} runs the rise is steeper than the evaluation grid "
            f"resolves (a quarter of its width); its onset is then known to one interval of the "
            f"grid only. A smaller --eval_every would help."
        )
    if any(arm.fraction.value < 1 for arm in summary.arms.values()) and summary.comparisons:
        lines.append(
            "Differences count a run that had not left chance level as if it had done so at the "
            "horizon, so where such runs are on the later side the true difference is larger."
        )
    return lines


def _joined(words: list[str]) -> str:
    if len(words) <= 1:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]
