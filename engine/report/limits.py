"""What a study cannot tell, in sentences."""

from collections.abc import Iterator, Mapping

from engine.outcomes.event import Event
from engine.report import log_answers
from engine.report.phrases import fraction, joined, varied
from engine.report.summary import Summary

_MOST_NAMED = 3

_HORIZON = "A run that is still flat at the horizon is censored there: it says nothing about “never”."
_SCOPE = (
    "The intervals describe these configurations on this data set, over different {varied}. Each holds at 95 % "
    "on its own; they do not carry over to another network or data set."
)
_FIXED_ORDER = (
    "All runs see the data in one order, of seed {seed}, which is taken as fixed: in another order all of them "
    "together might wait longer or shorter, and no interval here covers that."
)
_UNDER_WAY = (
    "The study is under way, and this is one of many looks. Intervals of fractions (confidence sequences) and "
    "p-values of comparisons (safe tests) hold at all looks together; intervals of times and of differences hold "
    "for a number of seeds that is fixed beforehand, and so only once it is over."
)
_LOOKS = (
    "Seeds were added in {num_looks} looks, the last at {seeds} seeds, {decided}. Runs that were under way by then "
    "are counted too. Intervals of fractions (confidence sequences) and p-values of comparisons (safe tests) hold "
    "at all looks together; everything else, intervals of times and differences among it, holds for a fixed number "
    "of seeds only."
)
_DECIDED = "until the question was decided"
_UNDECIDED = "and the question is not decided for {arms}"

_INCOMPLETE = (
    "“{name}” is not complete: {num_stored} of {num_planned} runs are over, and the first {num_used} in the order "
    "of seeds are used, because quick runs end first."
)
_FAILED = (
    "{num_failed} of {num_all} runs of “{name}” {ended}. Were all of these stuck, it would be {least} that {had_it}; "
    "were none, {most}. All other numbers are right only where failing has nothing to do with the outcome."
)
_ENDED_ONE = "ended its worker again and again and has no outcome; it is left out"
_ENDED_MANY = "ended their worker again and again and have no outcome; they are left out"
_ALL_FAILED = (
    "“{name}” is left out: all of its first {number} runs ended their worker again and again, and have no outcome."
)
_FAILED_PAIRS = "Where a run failed, the run of the same seed in the other arm is left out of their comparison."
_ONE_PART = "1 part is damaged or missing; its runs are left out, and `{verb}` makes them again."
_MANY_PARTS = "{number} parts are damaged or missing; their runs are left out, and `{verb}` makes them again."
_MISSING = "Without a complete first seed, and left out: {arms}."

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
_CENSORED_DIFFERENCES = (
    "Differences count a run that had not left chance level as if it had done so at the horizon, so where such runs "
    "are on the later side the true difference is larger."
)
_EPOCHS_DIFFER = (
    "The arms have epochs of different length; one is called earlier or later only where it is so in steps too."
)


def find_limits(summary: Summary) -> list[str]:
    """Returns a sentence for everything that the study cannot tell, or that is not as one might think."""
    lines = [
        _HORIZON,
        *_say_notes(summary, "In the data", summary.data_notes),
        *_say_notes(summary, "In the network", summary.network_notes),
        *_say_scope(summary),
        *_say_incomplete(summary),
    ]
    if summary.looks:
        lines.append(_say_looks(summary))
    if summary.missing:
        lines.append(_MISSING.format(arms=joined(summary.missing)))
    lines += _say_unusual(summary)
    if summary.comparisons and any(arm.fraction.value < 1 for arm in summary.arms.values()):
        lines.append(_CENSORED_DIFFERENCES)
    if len({summary.steps_per_unit(name) for name in summary.runs}) > 1:
        lines.append(_EPOCHS_DIFFER)
    return lines


def _say_notes(summary: Summary, where: str, notes_by_arm: Mapping[str, list[str]]) -> Iterator[str]:
    """Says each note once, with the arms that it is about."""
    arms: dict[str, list[str]] = {}
    for name, notes in notes_by_arm.items():
        for note in notes:
            arms.setdefault(note, []).append(f"“{name}”")
    for note, names in arms.items():
        whose = f" of {joined(names)}"
        if len(names) == summary.num_arms:
            whose = ""
        elif len(names) > _MOST_NAMED:
            whose = f" of {len(names)} of {summary.num_arms} arms"
        yield f"{where}{whose}: {note}."


def _say_scope(summary: Summary) -> Iterator[str]:
    """Says what the intervals describe, and what they hold for."""
    if summary.is_of_logs:
        yield from log_answers.find_limits_of_logs(summary)
    else:
        yield _SCOPE.format(varied=varied(summary.identity))
    fixed_order = summary.identity.get("fix_order")
    if fixed_order is not None:
        yield _FIXED_ORDER.format(seed=fixed_order)
    if summary.under_way is not None:
        yield _UNDER_WAY


def _say_incomplete(summary: Summary) -> Iterator[str]:
    """Says what is not there yet, has no outcome, or cannot be read."""
    for name, runs in summary.runs.items():
        num_used = len(runs.status) + runs.num_failed
        if num_used < runs.num_planned:
            numbers = {"num_stored": runs.num_stored, "num_planned": runs.num_planned, "num_used": num_used}
            yield _INCOMPLETE.format(name=name, **numbers)
        if runs.num_failed:
            yield _say_failed(summary, name)
    for name, number in summary.failed.items():
        yield _ALL_FAILED.format(name=name, number=number)
    if any(runs.num_failed for runs in summary.runs.values()) and summary.comparisons:
        yield _FAILED_PAIRS
    if summary.num_left_out:
        template = _ONE_PART if summary.num_left_out == 1 else _MANY_PARTS
        yield template.format(number=summary.num_left_out, verb="read" if summary.is_of_logs else "run")


def _say_failed(summary: Summary, name: str) -> str:
    """Says how far a fraction could lie from what it would be, had no run of an arm failed."""
    arm, num_all = summary.arms[name], summary.arms[name].num_runs + summary.arms[name].num_failed
    ends = (arm.num_left, arm.num_left + arm.num_failed)
    least, most = (fraction(number, num_all, summary.fraction(number, num_all)) for number in ends)
    return _FAILED.format(
        name=name,
        num_failed=arm.num_failed,
        num_all=num_all,
        ended=_ENDED_ONE if arm.num_failed == 1 else _ENDED_MANY,
        had_it="had the event" if summary.runs[name].waits_for == Event.HIT else "left chance level",
        least=least,
        most=most,
    )


def _say_looks(summary: Summary) -> str:
    """Says how many looks there were, how the last one left the question, and what holds at all of them."""
    last = summary.looks[-1]
    arms = [f"“{n}”" for n in last["undecided"] if last["goal"] != "comparison" or n != summary.baseline]
    decided = _UNDECIDED.format(arms=joined(arms)) if arms else _DECIDED
    return _LOOKS.format(num_looks=len(summary.looks), seeds=last["seeds"], decided=decided)


def _say_unusual(summary: Summary) -> Iterator[str]:
    """Says how many runs are not as one might think."""
    num_runs = sum(arm.num_runs for arm in summary.arms.values())
    finer = "More frequent logging" if summary.is_of_logs else "A smaller --eval_every"
    for count, words in _UNUSUAL.items():
        number = sum(getattr(arm, count) for arm in summary.arms.values())
        if number:
            yield f"In {number} of {num_runs} runs {words.format(finer=finer)}."
