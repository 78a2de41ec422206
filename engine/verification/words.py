"""Describes what `verify` found, in words that can be quoted."""

import math
from collections.abc import Mapping
from typing import Any

from ..errors import agreeing, counted
from ..lanes.runs import Run, seed_columns
from ..report.phrases import joined, percent
from ..statistics import Estimate, most_unseen
from ..studies.designs import run_name
from .comparison import CLOSE, Agreement
from .verdict import Verification, overall_verdict

_MOST_LISTED = 3


def describe_run(found: Agreement) -> str:
    """Says in one line whether a run is identical, or else how far it agrees."""
    name = _name(found.run)
    if found.is_identical:
        batches = counted(found.num_batches, "mini-batch", "mini-batches")
        return f"{name}: identical ({counted(found.num_points, 'point')}, {batches})"
    return f"{name}: differs: {_describe_curves(found)}; {_describe_outcome(found)}"


def _name(run: Run) -> str:
    return f"{run.arm_name} {run_name(seed_columns(run))}"


def _describe_curves(found: Agreement) -> str:
    batches = [] if found.batches_from is None else [f"mini-batches from step {found.batches_from} on"]
    if found.loss_from is None:
        columns = [name for name in found.differing if name not in ("loss", "batch_loss")]
        return ", ".join([*batches, *columns, "loss curves are the same"])
    places = {found.last_step: "to the end", None: "nowhere"}
    close = places.get(found.close_until, f"to step {found.close_until}")
    loss = f"loss from step {found.loss_from} on, {_most_apart(found.most_apart)}"
    return ", ".join([loss, f"within {percent(CLOSE)} of chance level {close}", *batches])


def _most_apart(distance: float) -> str:
    return "not finite in one of the two" if math.isinf(distance) else f"at most {distance:.1g} apart"


def _describe_outcome(found: Agreement) -> str:
    before, now = found.statuses
    agree = f"statuses agree ({now})" if before == now else f"status {before} against {now}"
    times = [_time(row) for row in (found.stored, found.again)]
    return agree if times == [None, None] else f"{agree}, onset {_compare_times(times)}"


def _time(row: Mapping[str, Any]) -> float | None:
    return row["onset_step"] if row["hitting_step"] is None else row["hitting_step"]


def _compare_times(times: list[float | None]) -> str:
    """Writes `246.1 against 246.3`, with as many digits as it takes to tell them apart."""
    for digits in (1, 3, 6):
        before, now = ("none" if time is None else f"{time:.{digits}f}" for time in times)
        if before != now:
            return f"{before} against {now}"
    return f"{times[0]:.1f} in both"


def summarise_in_words(found: Verification) -> str:
    """Says in a paragraph what was run again, what came of it, and what it says about the rest."""
    lines = [_describe_bits(found)]
    num_failed = found.finished.num_failed
    if num_failed:
        lines.append(f"{counted(num_failed, 'run that failed is', 'runs that failed are')} left out.")
    if found.damage:
        lines.append(f"What is stored is not whole: {_listed(found.damage)}.")
    if found.outcomes:
        lines.append(_describe_outcomes(found))
    elif not all(run.is_identical for run in found.runs):
        lines.append("No independent repetition is among them, to compare distributions by.")
    return " ".join(lines)


def _describe_bits(found: Verification) -> str:
    num, num_all = len(found.runs), len(found.finished.runs)
    unlike = [run for run in found.runs if not run.is_identical]
    if num < num_all:
        arms = ", every arm among them" if len(found.sample.num_all) > 1 else ""
        drawn = f"drawn at random{arms}, seed {found.sample.seed}"
        again = f"{num} of {num_all} finished runs {agreeing(num, 'was', 'were')} run again ({drawn})"
    else:
        again = f"All {num} finished runs were run again" if num > 1 else "The run was run again"
    if unlike:
        same = sum(before == now for before, now in (run.statuses for run in found.runs))
        return (
            f"{again}: {len(unlike)} of {num} differ, {_describe_first(unlike)}, {_describe_cause(found)}. Outcomes "
            f"have the same status in {same} of {num}."
        )
    they_are = "all are" if num > 1 else "it is"
    changed = f", although this is not what it was made with ({_listed(found.changed)})" if found.changed else ""
    text = f"{again}: {they_are} identical to the last bit, curves included{changed}."
    if num == num_all:
        return text
    unseen = most_unseen(found.sample.num_drawn, found.sample.num_all)
    return f"{text} Of the other {num_all - num}, at most {unseen} can differ (95 % confidence)."


def _describe_first(unlike: list[Agreement]) -> str:
    first = min((run.loss_from for run in unlike if run.loss_from is not None), default=None)
    if first is None:
        return "though not in their loss curves"
    return f"first at step {first}, {_most_apart(max(run.most_apart for run in unlike))}"


def _describe_cause(found: Verification) -> str:
    if not found.changed:
        return "although nothing that bits depend on is known to have changed"
    text = f"where something that bits depend on has changed ({_listed(found.changed)})"
    if not found.unexplained:
        return text
    names = _listed([_name(run.run) for run in found.unexplained])
    as_now = ", or were made as now" if len(found.changed) > 1 else ""
    return f"{text}. That does not explain {names}: others of the same arm are identical{as_now}"


def _listed(lines: list[str]) -> str:
    more = len(lines) - _MOST_LISTED
    return "; ".join(lines[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")


def _describe_outcomes(found: Verification) -> str:
    last, verdict = found.outcomes[-1], overall_verdict(found.outcomes)
    text = (
        f"The restricted mean of the wait differs by {_signed(last.wait.difference, ' %')} and the share of runs with "
        f"the event by {_signed(last.share.difference, ' points')}, over "
        f"{counted(last.num_pairs, 'independent repetition')}; the margin is ±{percent(found.margin)}"
    )
    if verdict == "equivalent":
        is_each = all(outcome.verdict == "equivalent" for outcome in found.outcomes)
        where = "" if is_each else ", taken over all arms together"
        return f"{text}: the distributions of outcomes are equivalent{where}."
    if verdict == "different":
        different = [outcome.arm for outcome in found.outcomes if outcome.verdict == "different"]
        names = ["all arms together" if arm is None else repr(arm) for arm in different]
        return f"{text}. Outcomes differ beyond chance, in {joined(names)}."
    return f"{text}: undecided whether the distributions are equivalent. {_advise(found)}"


def _advise(found: Verification) -> str:
    last, num_all = found.outcomes[-1], len(found.finished.runs)
    if last.pairs_needed is None:
        return "More runs like these would not show it."
    needed = math.ceil(last.pairs_needed * len(found.runs) / last.num_pairs)
    if needed > num_all:
        return f"About {counted(needed, 'run')} like these would show it, and {counted(num_all, 'is', 'are')} there."
    return f"About {counted(needed, 'run')} like these would show it: --runs={needed}."


def _signed(estimate: Estimate, unit: str) -> str:
    """Writes `−0.3 % (90 % CI −1.1 to 0.5)`, with more digits where all of them are small."""
    numbers = [100 * number for number in estimate[:3]]
    form = "z.1f" if max(map(abs, numbers)) >= 0.1 else "z.1g"
    value, lower, upper = (f"{number:{form}}".replace("-", "−") for number in numbers)
    return f"{value}{unit} (90 % CI {lower} to {upper})"
