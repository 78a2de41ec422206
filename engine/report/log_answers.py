"""Sentences on curves that were read from logs, where they differ from those on runs of the engine."""

import math
from collections.abc import Iterator

import numpy as np

from ..outcomes.chance import suggest_classes
from ..outcomes.steady import falls_steadily
from .arm_runs import ArmRuns
from .phrases import NORMAL_QUESTION, REMEDY_QUESTION, counted, moment, number, percent, time_word
from .summary import Summary

LEVEL_QUESTION = "Is the loss at chance level at all?"
ASSUMED = (
    "The runs of a group are taken for independent repetitions of one configuration, each with a start and a data "
    "order of its own: a log cannot show that, and where it is not so, intervals and p-values mean nothing."
)
ONE_GROUP = (
    "What was read is one group of runs, which cannot say what would change the time. Read logs of other "
    "configurations with them, each group with a name: --curves=before=DIR --curves=after=DIR, or --arm_column."
)
# What became of a single run, by its status.
_COURSES = {
    "diverged": "the loss blew up at {onset}, before it had left {chance}",
    "stuck": "the loss has not left {chance} for good by the end",
    "steady": "no plateau so far: the loss falls steadily from the start",
    "broke": "a plateau that ends by itself: the loss leaves {chance} at {onset}",
    "shoulder": "a delay about as long as the rise itself: the loss leaves {chance} at {onset}",
    "no_plateau": "no plateau: the loss leaves {chance} without a delay, at {onset}",
}


def find_level(runs: ArmRuns, low: float) -> tuple[str, bool]:
    """Says whether a loss is at chance (ρ within `low`) before it falls, and tells whether that is in doubt."""
    chance, levels = runs.chance_loss, _plateau_levels(runs)
    starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
    if not starts:
        return "There is no loss to look at before it blew up.", False
    first = float(np.median(starts))
    if not levels:
        begins = f"Hardly: the log begins at {first:.4g}, where guessing costs {chance:.4g},"
        if first > (1 - low) * chance:
            return f"{begins} and the loss falls from there at once.", False
        return f"{begins} so training was under way before it, or guessing costs less{_hint(first)}.", True
    level = float(np.median(levels))
    over = " and over runs" if len(levels) > 1 else ""
    flat = f"Up to the onset, or else the end, the median loss{over} is {level:.4g}; guessing costs {chance:.4g}."
    share = 1.0 - level / chance
    if abs(share) <= low:
        return f"Yes. {flat}", False
    if share > 0:
        return f"No, it lies below, by {percent(share)}. {flat}", True
    if first <= (1 + low) * chance:
        return f"No, it rises above, by {percent(-share)}. {flat} It begins at {first:.4g}.", True
    return (
        f"No, it lies above, by {percent(-share)}. {flat} The network has not come down to guessing, or the loss is a "
        f"sum or in another unit, or guessing costs more{_hint(level)}."
    ), True


def _plateau_levels(runs: ArmRuns) -> list[float]:
    """Returns the median loss of each drawn run that may be on a plateau: up to its onset, or to its end."""
    levels = []
    has_none = find_steady(runs) | np.equal(runs.status[: len(runs.curves)], "no_plateau")
    for i in np.flatnonzero(~has_none):
        curve = runs.curves[i]
        end = runs.rows["onset_lower" if runs.event[i] == 1 else "steps_run"][i]
        values = curve.loss[(curve.steps <= end) & np.isfinite(curve.loss)]
        # Where the first interval holds the onset, there is no plateau to look at.
        if len(values) and (runs.event[i] != 1 or end > curve.steps[0]):
            levels.append(float(np.median(values)))
    return levels


def find_steady(runs: ArmRuns) -> np.ndarray:
    """Tells which drawn runs have no outcome but fall steadily from the start, `[num_drawn]`."""
    pairs = zip(runs.status, runs.curves, strict=False)
    return np.array([s == "stuck" and falls_steadily(*curve, runs.chance_loss) for s, curve in pairs], bool)


def say_steady(runs: ArmRuns) -> str | None:
    """Says that the runs without an outcome fall steadily from the start, where most of those drawn do."""
    is_open = np.equal(runs.status[: len(runs.curves)], "stuck")
    num_steady, num_open = int(find_steady(runs).sum()), int(is_open.sum())
    if 2 * num_steady <= num_open:
        return None
    drawn = "drawn " if len(runs.curves) < len(runs.status) else ""
    those = counted(num_open, f"{drawn}run that has", f"{drawn}runs that have")
    return (
        f"In {num_steady} of the {those} not left chance level for good, the loss falls steadily from the start: these "
        "are no plateaus, so train longer."
    )


def _hint(loss: float) -> str:
    classes = suggest_classes(loss)
    return "" if classes is None else f"; {loss:.4g} is about what guessing among {classes} costs"


def answer_for_one(summary: Summary) -> tuple[str, dict[str, str]]:
    """Returns the headline and answers for a single run, of which nothing can be said but what it did."""
    course, end = _describe_one(summary)
    return f"“{summary.baseline}”: {course}; {end}. One run says nothing of how often.", {
        "Is that a plateau, and when does it end?": f"{course[0].upper()}{course[1:]}; {end}.",
        NORMAL_QUESTION: "One run cannot say: train it again with other seeds, and read the logs together.",
        REMEDY_QUESTION: ONE_GROUP,
    }


def _describe_one(summary: Summary) -> tuple[str, str]:
    name, unit = summary.baseline, summary.unit
    runs, arm = summary.runs[name], summary.arms[name]
    row = {column: values[0] for column, values in runs.rows.items()}

    def at(steps: float) -> str:
        return moment(steps / summary.steps_per_unit(name), unit)

    end = f"the log ends at {at(runs.curves[0].steps[-1])}"
    has_blown_up = runs.status[0] == "diverged" or row["is_diverged_later"]
    if row["end_loss"] is not None and not has_blown_up:
        end += f" with a loss of {row['end_loss']:.3g}"
    is_steady = find_steady(runs).any()
    words = _COURSES["steady" if is_steady else runs.status[0]]
    course = words.format(onset=at(runs.time[0]), chance=f"chance level ({runs.chance_loss:.4g})")
    if is_steady:
        course += ", from {:.4g} to {:.4g}".format(*runs.curves[0].loss[[0, -1]])
    elif runs.status[0] == "stuck" and arm.num_fell_back:
        course += ", though it had left it before and fell back"
    elif runs.status[0] == "stuck" and arm.num_falling:
        course += ", but has begun to fall: train longer"
    elif runs.event[0] == 1:
        if row["onset_lower"] != row["onset_upper"]:
            course += f" (logged points at {at(row['onset_lower'])} and {at(row['onset_upper'])})"
        if row["width_steps"] is not None:
            width = number(row["width_steps"] / summary.steps_per_unit(name), unit)
            course += f"; at its steepest the rise would take {width} {time_word(unit) if width == '1' else unit}"
        if row["is_diverged_later"]:
            course += ", and blew up later"
    return course, end


def find_limits_of_logs(summary: Summary) -> Iterator[str]:
    """Says what logs cannot tell, besides what holds for every study."""
    yield (
        f"{ASSUMED} They describe these configurations on these data, each at 95 % on its own; they do not carry over "
        "to another network or data set."
    )
    for name, runs in summary.runs.items():
        ends = np.asarray(runs.rows["steps_run"])[runs.event == 0] / summary.steps_per_unit(name)
        if len(ends) > 1 and ends.max() > ends.min():
            low, high = (number(end, summary.unit) for end in (ends.min(), ends.max()))
            yield (
                f"Logs of “{name}” that have not left chance level end between {low} and {high} {summary.unit}: they "
                "count as censored there, which is right only where nobody stopped a run because of its loss."
            )
    if any(not any(runs.rows["end_accuracy"]) for runs in summary.runs.values()):
        yield "Where no accuracy was logged, none is reported."
