"""What can be said of curves that were read from logs, where it differs from runs of our own."""

import math
from typing import Any, NamedTuple

import numpy as np

from engine.outcomes.chance import suggest_classes
from engine.report.arm_runs import ArmRuns
from engine.report.phrases import NORMAL_QUESTION, REMEDY_QUESTION, number, percent
from engine.report.summary import ArmSummary, Summary

ASSUMED = (
    "The runs of a group are taken for independent repetitions of one configuration, each with a "
    "start and a data order of its own: a log cannot show that, and where it is not so, intervals "
    "and p-values mean nothing."
)
_NO_CAUSE = "What is different between groups is not in the logs: whether it is the cause, only you know."
_ONE_RUN = "One run cannot say: train it again with other seeds, and read the logs together."
_ONE_GROUP = (
    "These runs are one group, so they cannot say what would change the time. Read logs of other "
    "configurations with them, each group with a name: --curves=before=DIR --curves=after=DIR, or "
    "--arm_column."
)


def answer_of_fix(compared: list[str]) -> str:
    """What takes the place of the cure.

    Args:
        compared: sentences on the groups that differ from the baseline.
    """
    return " ".join([*compared, _NO_CAUSE])


def answer_of_one_group() -> str:
    """The same where nothing can be compared."""
    return _ONE_GROUP


def plateau_levels(runs: ArmRuns) -> list[float]:
    """The loss on the plateau of each drawn run that has one: before its onset, or to its end."""
    levels = []
    for i, curve in enumerate(runs.curves):
        end = runs.rows["onset_lower"][i] if runs.event[i] == 1 else math.inf
        if runs.event[i] == 2:
            continue
        values = curve.loss[(curve.steps <= end) & np.isfinite(curve.loss)]
        # Where the first interval holds the onset, there is no plateau to look at.
        if len(values) and (end == math.inf or end > curve.steps[0]):
            levels.append(float(np.median(values)))
    return levels


class Level(NamedTuple):
    """Whether a loss is at chance while it is flat, in words; and whether that is in doubt."""

    words: str
    is_doubtful: bool


def find_level(runs: ArmRuns, low: float) -> Level:
    """Whether the loss is at chance at all.

    Args:
        runs: of the baseline.
        low: ρ below which a curve is on its plateau.
    """
    chance, levels = runs.chance_loss, plateau_levels(runs)
    if not levels:
        starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
        if not starts:
            return Level("There is no loss to look at before it blew up.", False)
        first = float(np.median(starts))
        text = f"Hardly: the log begins at {first:.4g}, where guessing costs {chance:.4g}"
        if first > (1 - low) * chance:
            return Level(f"{text}, and the loss falls from there at once.", False)
        words = f"{text}, so training was under way before it, or guessing costs less"
        return Level(f"{words}{_hint(first)}.", True)
    level = float(np.median(levels))
    over = " (median over runs)" if len(levels) > 1 else ""
    text = f"While it is flat, the loss lies at {level:.4g}{over}; guessing costs {chance:.4g}."
    share = 1.0 - level / chance
    if abs(share) <= low:
        return Level(f"Yes. {text}", False)
    if share < 0:
        words = (
            f"No, it lies above, by {percent(-share)}. {text} The network has not come down to "
            f"guessing, or the loss is a sum or in another unit, or guessing costs more"
        )
        return Level(f"{words}{_hint(level)}.", True)
    return Level(f"No, it lies below, by {percent(share)}. {text}", True)


def _hint(loss: float) -> str:
    classes = suggest_classes(loss)
    return "" if classes is None else f"; {loss:.4g} is about what guessing among {classes} costs"


def answers_of_one(summary: Summary) -> dict[str, str]:
    """Answers for a single run, of which nothing can be said but what it did."""
    words = _of_one(summary)
    return {
        "Is that a plateau, and when does it end?": words[0].upper() + words[1:],
        NORMAL_QUESTION: _ONE_RUN,
        REMEDY_QUESTION: _ONE_GROUP,
    }


def headline_of_one(summary: Summary) -> str:
    """The short answer for a single run."""
    return f"“{summary.baseline}”: {_of_one(summary)} One run says nothing of how often."


def _of_one(summary: Summary) -> str:
    """What became of a single run, and of its log."""
    name, unit = summary.baseline, summary.unit
    runs, arm = summary.runs[name], summary.arms[name]
    rows = {column: values[0] for column, values in runs.rows.items()}
    word = "epoch" if unit == "epochs" else "step"
    per_unit = summary.steps_per_unit(name)

    def at(steps: float) -> str:
        return f"{word} {number(steps / per_unit, unit)}"

    end = f"the log ends at {at(rows['steps_run'])}"
    if rows["end_loss"] is not None:
        end += f" with a loss of {rows['end_loss']:.3g}"
    return f"{_course(runs, arm, rows, at)}; {end}."


def _course(runs: ArmRuns, arm: ArmSummary, rows: dict[str, Any], at: Any) -> str:
    """What became of a single run."""
    chance = f"chance level ({runs.chance_loss:.4g})"
    status = runs.status[0]
    if status == "diverged":
        return f"the loss blew up at {at(runs.time[0])}, before it had left {chance}"
    if status == "stuck":
        text = f"the loss has not left {chance} for good by the end"
        if arm.num_fell_back:
            return f"{text}, though it had left it before and fell back"
        return f"{text}, but has begun to fall: train longer" if arm.num_falling else text
    bounds = (rows["onset_lower"], rows["onset_upper"])
    between = ""
    if bounds[0] != bounds[1]:
        between = f" (logged points at {at(bounds[0])} and {at(bounds[1])})"
    width = rows["width_steps"]
    fast = ""
    if width is not None:
        word, number_of = at(width).split()
        fast = f"; at its steepest the rise would take {number_of} {word}{'s' * (number_of != '1')}"
    later = ", and blew up later" if rows["is_diverged_later"] else ""
    words = {
        "broke": f"a plateau that ends by itself: the loss leaves {chance} at",
        "shoulder": f"a delay about as long as the rise itself: the loss leaves {chance} at",
        "no_plateau": f"no plateau: the loss leaves {chance} without a delay, at",
    }
    return f"{words[status]} {at(runs.time[0])}{between}{fast}{later}"


def limits_of(summary: Summary) -> list[str]:
    """What logs cannot tell, besides what holds for every study."""
    lines = [
        f"{ASSUMED} They describe these configurations on these data, each at 95 % on its own; "
        f"they do not carry over to another network or data set."
    ]
    for name, runs in summary.runs.items():
        ends = np.asarray(runs.rows["steps_run"])[runs.event == 0] / summary.steps_per_unit(name)
        if len(ends) > 1 and ends.max() > ends.min():
            low, high = (number(value, summary.unit) for value in (ends.min(), ends.max()))
            lines.append(
                f"Logs of “{name}” that end at chance do so between {low} and {high} "
                f"{summary.unit}: they count as censored there, which is right only where nobody "
                f"stopped a run because of its loss."
            )
    if any(not any(runs.rows["end_accuracy"]) for runs in summary.runs.values()):
        lines.append("Where no accuracy was logged, none is reported.")
    return lines
