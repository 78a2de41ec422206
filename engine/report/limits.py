"""What a study cannot tell, in words."""

from collections.abc import Mapping

from engine.outcomes.event import Event
from engine.report import log_answers
from engine.report.phrases import fraction, joined
from engine.report.summary import Summary

_MOST_NAMED = 3


def _of_looks(summary: Summary) -> str:
    """How many looks there were, how the last one left the question, and what holds at all."""
    last = summary.looks[-1]
    undecided = [f"“{name}”" for name in last["undecided"]]
    if last["goal"] == "comparison":
        undecided = [name for name in undecided if name != f"“{summary.baseline}”"]
    decided = "until the question was decided"
    if undecided:
        decided = f"and the question is not decided for {joined(undecided)}"
    return (
        f"Seeds were added in {len(summary.looks)} looks, the last at {last['seeds']} seeds, "
        f"{decided}. Runs that were under way by then are counted too. Intervals of fractions "
        f"(confidence sequences) and p-values of comparisons (safe tests) hold at all looks "
        f"together; everything else, intervals of times and differences among it, holds for a "
        f"fixed number of seeds only."
    )


def _of_failed(summary: Summary, name: str) -> str:
    """How far a fraction could lie from what it would be, had no run of an arm failed."""
    arm, runs = summary.arms[name], summary.runs[name]
    num_all, left = arm.num_runs + arm.num_failed, round(arm.fraction.value * arm.num_runs)
    had_it = "had the event" if runs.waits_for == Event.HIT else "left chance level"
    words = "ended their worker again and again and have no outcome; they are left out"
    if arm.num_failed == 1:
        words = "ended its worker again and again and has no outcome; it is left out"
    least, most = (fraction(num, num_all, summary.fraction(num, num_all)) for num in (left, left + arm.num_failed))
    return (
        f"{arm.num_failed} of {num_all} runs of “{name}” {words}. Were all of these stuck, it "
        f"would be {least} that {had_it}; were none, {most}. All other numbers are right only "
        f"where failing has nothing to do with the outcome."
    )


def _of_what_is_own(summary: Summary) -> list[str]:
    """What was left out of the data, or changed in them, and what networks have shown."""
    return [
        *_by_note(summary, "In the data", summary.data_notes),
        *_by_note(summary, "In the network", summary.network_notes),
    ]


def _by_note(summary: Summary, where: str, notes_by_arm: Mapping[str, list[str]]) -> list[str]:
    arms: dict[str, list[str]] = {}
    for name, notes in notes_by_arm.items():
        for note in notes:
            arms.setdefault(note, []).append(f"“{name}”")
    all_of_them = len(summary.runs) + len(summary.missing) + len(summary.failed)
    return [f"{where}{_of_arms(names, all_of_them)}: {note}." for note, names in arms.items()]


def _of_arms(names: list[str], all_of_them: int) -> str:
    if len(names) == all_of_them:
        return ""
    if len(names) > _MOST_NAMED:
        return f" of {len(names)} of {all_of_them} arms"
    return f" of {joined(names)}"


def _of_scope(summary: Summary) -> list[str]:
    """What the intervals describe, and what they hold for."""
    lines = []
    if summary.of_logs:
        lines += log_answers.limits_of(summary)
    else:
        lines.append(
            f"The intervals describe the {summary.varied} of these configurations on this data "
            f"set, each at 95 % on its own; they do not carry over to another network or data set."
        )
    if summary.fixed_order is not None:
        lines.append(
            f"All runs see the data in one order, of seed {summary.fixed_order}, which is taken as "
            f"fixed: in another order all of them together might wait longer or shorter, and no "
            f"interval here covers that."
        )
    if summary.under_way is not None:
        lines.append(
            "The study is under way, and this is one of many looks. Intervals of fractions "
            "(confidence sequences) and p-values of comparisons (safe tests) hold at all looks "
            "together; intervals of times and of differences hold for a number of seeds that is "
            "fixed beforehand, and so only once it is over."
        )
    return lines


def _of_missing(summary: Summary) -> list[str]:
    """What is not there yet, or has no outcome, or cannot be read."""
    lines = []
    for name, runs in summary.runs.items():
        used = len(runs.status) + runs.num_failed
        if used < runs.num_planned:
            lines.append(
                f"“{name}” is not complete: {runs.num_stored} of {runs.num_planned} runs are over, "
                f"and the first {used} in the order of seeds are used, because quick runs end "
                f"first."
            )
        if runs.num_failed:
            lines.append(_of_failed(summary, name))
    for name, number in summary.failed.items():
        lines.append(
            f"“{name}” is left out: all of its first {number} runs ended their worker again and "
            f"again, and have no outcome."
        )
    if any(runs.num_failed for runs in summary.runs.values()) and summary.comparisons:
        lines.append("Where a run failed, the run of the same seed in the other arm is left out of their comparison.")
    if summary.num_left_out:
        are, they = ("s are", "their") if summary.num_left_out > 1 else (" is", "its")
        lines.append(
            f"{summary.num_left_out} part{are} damaged or missing; {they} runs are left out, and "
            f"`{'read' if summary.of_logs else 'run'}` makes them again."
        )
    return lines


def _of_runs(summary: Summary) -> list[str]:
    """How many runs are not as one might think, and why."""
    lines = []
    arms = list(summary.arms.values())
    num_runs = sum(arm.num_runs for arm in arms)
    for count, words in (
        (
            sum(arm.num_coarse for arm in arms),
            "the rise is steeper than the evaluation grid resolves (a quarter of its width); the "
            "onset is then known to one interval of the grid only. "
            + ("More frequent logging" if summary.of_logs else "A smaller --eval_every")
            + " would help",
        ),
        (
            sum(arm.num_diverged_later for arm in arms),
            "the loss blew up after the run had left chance level; they count as having left it",
        ),
        (
            sum(arm.num_stairs for arm in arms),
            "further plateaus follow the first (the times of each rise are in outcomes.parquet); "
            "every time here is that of the first",
        ),
        (
            sum(arm.num_settled for arm in arms),
            "training was stopped before the horizon, as soon as the outcome was clear; losses and "
            "accuracies “at the end” are those at the stop",
        ),
        (
            sum(arm.num_falling for arm in arms),
            "the loss had begun to fall at the horizon, but not far enough to count as having left "
            "chance level; a longer horizon would tell",
        ),
    ):
        if count:
            lines.append(f"In {count} of {num_runs} runs {words}.")
    return lines


def find_limits(summary: Summary) -> list[str]:
    """One sentence for everything that the study cannot tell, or that is not as one might think."""
    lines = [
        "A run that is still flat at the horizon is censored there: it says nothing about “never”.",
        *_of_what_is_own(summary),
        *_of_scope(summary),
        *_of_missing(summary),
    ]
    if summary.looks:
        lines.append(_of_looks(summary))
    if summary.missing:
        lines.append(f"Without a complete first seed, and left out: {joined(summary.missing)}.")
    lines += _of_runs(summary)
    if summary.comparisons and any(arm.fraction.value < 1 for arm in summary.arms.values()):
        lines.append(
            "Differences count a run that had not left chance level as if it had done so at the "
            "horizon, so where such runs are on the later side the true difference is larger."
        )
    if len({summary.steps_per_unit(name) for name in summary.runs}) > 1:
        lines.append(
            "The arms have epochs of different length; one is called earlier or later only where it is so in steps too."
        )
    return lines
