"""What a study cannot tell, in sentences."""

from collections.abc import Iterator

from ..errors import agreeing, counted
from ..outcomes.event import Event
from . import log_answers
from .notes import say_faults_elsewhere, say_notes
from .phrases import fraction, joined, of_runs, varied
from .summary import Summary

_MOST_SAID = 12
# By the count of `ArmSummary` that makes them worth saying.
_UNUSUAL = {
    "num_coarse": "the rise is steeper than the evaluation grid resolves (a quarter of its width); the onset is then "
    "known to one interval of the grid only. {finer} would help",
    "num_diverged_later": "the loss blew up after the run had left chance level; they count as having left it",
    "num_stairs": "further plateaus follow the first (the times of each rise are in outcomes.parquet); every time "
    "here is that of the first",
    "num_settled": "training was stopped before the horizon, as soon as the outcome was clear; losses and accuracies "
    "“at the end” are those at the stop",
    "num_falling": "the loss had begun to fall at the horizon, but not far enough to count as having left chance "
    "level; a longer horizon would tell",
}


def find_limits(summary: Summary) -> list[str]:
    """Returns a sentence for everything that the study cannot tell, or that is not as one might think."""
    return [
        "A run that is still flat at the horizon is censored there: it says nothing about “never”.",
        *say_notes(summary, "In the data", summary.notes("data_notes")),
        *say_faults_elsewhere(summary),
        *_say_scope(summary),
        *_say_incomplete(summary),
        *_say_looks(summary),
        *_say_unusual(summary),
    ]


def _say_scope(summary: Summary) -> Iterator[str]:
    if summary.is_of_logs:
        yield from log_answers.find_limits_of_logs(summary)
    else:
        yield (
            f"The intervals describe these configurations on this data set, over different {varied(summary.identity)}. "
            "Each holds at 95 % on its own; they do not carry over to another network or data set."
        )
    fixed_order = summary.identity.get("fix_order")
    if fixed_order is not None:
        yield (
            f"All runs see the data in one order, of seed {fixed_order}, which is taken as fixed: in another order all "
            "of them together might wait longer or shorter, and no interval here covers that."
        )
    if summary.under_way is not None:
        yield (
            "The study is under way, and this is one of many looks. Intervals of fractions (confidence sequences) and "
            "p-values of comparisons (safe tests) hold at all looks together; intervals of times and of differences "
            "hold for a number of seeds that is fixed beforehand, and so only once it is over."
        )


def _say_incomplete(summary: Summary) -> Iterator[str]:
    lines = list(_say_incomplete_arms(summary))
    yield from lines[:_MOST_SAID]
    if lines[_MOST_SAID:]:
        yield f"The like holds {counted(len(lines) - _MOST_SAID, 'more time')}, of other arms; summary.json has them."
    if any(runs.num_failed for runs in summary.runs.values()) and summary.comparisons:
        yield "Where a run failed, the run of the same seed in the other arm is left out of their comparison."
    if summary.num_left_out:
        parts, verb = counted(summary.num_left_out, "part is", "parts are"), "read" if summary.is_of_logs else "run"
        yield f"{parts} damaged or missing; the runs in there are left out, and `{verb}` makes them again."


def _say_incomplete_arms(summary: Summary) -> Iterator[str]:
    for name, runs in summary.runs.items():
        num_used = len(runs.status) + runs.num_failed
        if num_used < runs.num_planned:
            yield (
                f"“{name}” is not complete: {of_runs(runs.num_stored, runs.num_planned)} over, and the first "
                f"{num_used} in the order of seeds {agreeing(num_used, 'is', 'are')} used, because quick runs end "
                "first."
            )
        if runs.num_failed:
            yield _say_failed(summary, name)
    for name, number in summary.failed.items():
        ended = f"{counted(number, 'run')} ended a worker again and again"
        yield f"“{name}” is left out: none of its runs has an outcome, and {ended}."


def _say_failed(summary: Summary, name: str) -> str:
    """Says how far a fraction could lie from what it would be, had no run of an arm failed."""
    arm = summary.arms[name]
    num_all = arm.num_runs + arm.num_failed
    ends = (arm.num_left, arm.num_left + arm.num_failed)
    least, most = (fraction(number, num_all, summary.fraction(number, num_all)) for number in ends)
    ended = "ended their worker again and again and have no outcome; they are left out"
    if arm.num_failed == 1:
        ended = "ended its worker again and again and has no outcome; it is left out"
    had_it = "had the event" if summary.runs[name].waits_for == Event.HIT else "left chance level"
    return (
        f"{arm.num_failed} of {counted(num_all, 'run')} of “{name}” {ended}. Were all of these stuck, it "
        f"would be {least} that {had_it}; were none, {most}. All other numbers are right only where "
        "failing has nothing to do with the outcome."
    )


def _say_looks(summary: Summary) -> Iterator[str]:
    if summary.looks:
        last = summary.looks[-1]
        arms = [f"“{n}”" for n in last["undecided"] if last["goal"] != "comparison" or n != summary.baseline]
        decided = f"and the question is not decided for {joined(arms)}" if arms else "until the question was decided"
        yield (
            f"Seeds were added in {counted(len(summary.looks), 'look')}, the last at {counted(last['seeds'], 'seed')}, "
            f"{decided}. Runs that were under way by then are counted too. Intervals of fractions (confidence "
            "sequences) and p-values of comparisons (safe tests) hold at all looks together; everything else, "
            "intervals of times and differences among it, holds for a fixed number of seeds only."
        )
    if summary.missing:
        more = len(summary.missing) - _MOST_SAID
        named = [*summary.missing[:_MOST_SAID], *([counted(more, "more arm")] if more > 0 else [])]
        yield f"Without a complete first seed, and left out: {joined(named)}."


def _say_unusual(summary: Summary) -> Iterator[str]:
    num_runs = sum(arm.num_runs for arm in summary.arms.values())
    finer = "More frequent logging" if summary.is_of_logs else "A smaller --eval_every"
    for count, words in _UNUSUAL.items():
        number = sum(getattr(arm, count) for arm in summary.arms.values())
        if number:
            yield f"In {number} of {counted(num_runs, 'run')} {words.format(finer=finer)}."
    if summary.comparisons and any(arm.fraction.value < 1 for arm in summary.arms.values()):
        yield (
            "Differences count a run that had not left chance level as if it had done so at the horizon, so where such "
            "runs are on the later side the true difference is larger."
        )
    if len({summary.steps_per_unit(name) for name in summary.runs}) > 1:
        yield (
            "The arms have epochs of different length; one is called earlier or later only where it is so in steps too."
        )
