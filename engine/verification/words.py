"""What `verify` found, in words that can be quoted."""

import math
from collections.abc import Mapping
from typing import Any

from engine.lanes.runs import Run, seed_columns
from engine.report.phrases import joined, percent
from engine.statistics import Estimate, most_unseen
from engine.studies.designs import run_name
from engine.verification.agreement import CLOSE, Agreement
from engine.verification.outcomes import OutcomeAgreement
from engine.verification.verdict import Verification, of_all_arms

_MOST_LISTED = 3
_ONE_FAILED = "1 run that failed is left out."


def describe_run(found: Agreement) -> str:
    """One line: whether a run is identical, or else how far it agrees."""
    name = _name(found.run)
    if found.is_identical:
        size = f"{found.num_points} points, {found.num_batches} mini-batches"
        return f"{name}: identical ({size}){_skipped(found)}"
    return f"{name}: differs: {_of_curves(found)}; {_of_outcome(found)}{_skipped(found)}"


def _name(run: Run) -> str:
    return f"{run.arm_name} {run_name(seed_columns(run))}"


def _skipped(found: Agreement) -> str:
    listed = ", ".join(found.skipped)
    return f"; not stored, so not compared: {listed}" if listed else ""


def _of_curves(found: Agreement) -> str:
    """From where the curves differ, until where they are close, and by how much."""
    parts = []
    if found.loss_from is not None:
        close = "to the end"
        if found.close_until is None:
            close = "nowhere"
        elif found.close_until != found.last_step:
            close = f"to step {found.close_until}"
        parts.append(f"loss from step {found.loss_from} on, {_most(found.most_apart)}")
        parts.append(f"within {percent(CLOSE)} of chance level {close}")
    if found.batches_from is not None:
        parts.append(f"mini-batches from step {found.batches_from} on")
    if found.loss_from is None:
        parts += [name for name in found.differing if name not in ("loss", "batch_loss")]
        parts.append("loss curves are the same")
    return ", ".join(parts)


def _most(apart: float) -> str:
    return "not finite in one of the two" if apart == math.inf else f"at most {apart:.1g} apart"


def _of_outcome(found: Agreement) -> str:
    before, now = found.stored["status"], found.again["status"]
    agree = f"statuses agree ({now})" if before == now else f"status {before} against {now}"
    times = [_time(row) for row in (found.stored, found.again)]
    return agree if times == [None, None] else f"{agree}, onset {_in_both(times)}"


def _time(row: Mapping[str, Any]) -> float | None:
    return row["onset_step"] if row["hitting_step"] is None else row["hitting_step"]


def _in_both(times: list[float | None]) -> str:
    """`246.1 against 246.3`, with as many digits as it takes to tell them apart."""
    for digits in (1, 3, 6):
        before, now = ("none" if time is None else f"{time:.{digits}f}" for time in times)
        if before != now:
            return f"{before} against {now}"
    return f"{times[0]:.1f} in both"


def summarise_in_words(found: Verification) -> str:
    """A paragraph: what was done again, what came of it, and what it says of the rest."""
    lines = [_of_bits(found)]
    if found.finished.num_failed:
        num = found.finished.num_failed
        lines.append(f"{num} runs that failed are left out." if num > 1 else _ONE_FAILED)
    if found.damage:
        lines.append(f"What is stored is not whole: {_listed(found.damage)}.")
    if found.outcomes:
        lines.append(_of_outcomes(found))
    elif not all(run.is_identical for run in found.runs):
        lines.append("No independent repetition is among them, to compare distributions by.")
    return " ".join(lines)


def _of_bits(found: Verification) -> str:
    num, num_all = len(found.runs), len(found.finished.runs)
    unlike = [run for run in found.runs if not run.is_identical]
    again = f"All {num} finished runs were run again" if num > 1 else "The run was run again"
    if num < num_all:
        how = "drawn at random" + ", every arm among them" * (len(found.sample.num_all) > 1)
        again = f"{num} of {num_all} finished runs were run again ({how}, seed {found.sample.seed})"
    here = f", although this is not what it was made with ({_listed(found.changed)})"
    if unlike:
        same = sum(run.has_same_status for run in found.runs)
        return (
            f"{again}: {len(unlike)} of {num} differ, {_where(unlike)}, {_cause(found)}. Outcomes "
            f"have the same status in {same} of {num}."
        )
    all_of_them = "all are" if num > 1 else "it is"
    text = f"{again}: {all_of_them} identical to the last bit, curves included"
    text += f"{here if found.changed else ''}."
    if num < num_all:
        unseen, rest = most_unseen(found.sample.num_drawn, found.sample.num_all), num_all - num
        text += f" Of the other {rest}, at most {unseen} can differ (95 % confidence)."
    return text


def _cause(found: Verification) -> str:
    if not found.changed:
        return "although nothing that bits depend on is known to have changed"
    text = f"where something that bits depend on has changed ({_listed(found.changed)})"
    if found.unexplained:
        names = _listed([_name(run.run) for run in found.unexplained])
        text += f". That does not explain {names}: others of the same arm are identical"
        text += ", or were made as now" * (len(found.changed) > 1)
    return text


def _listed(lines: list[str]) -> str:
    more = len(lines) - _MOST_LISTED
    return "; ".join(lines[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")


def _where(unlike: list[Agreement]) -> str:
    first = min((run.loss_from for run in unlike if run.loss_from is not None), default=None)
    if first is None:
        return "though not in their loss curves"
    return f"first at step {first}, {_most(max(run.most_apart for run in unlike))}"


def _of_outcomes(found: Verification) -> str:
    """The statement about all arms, and the arms that are different."""
    last, verdict = found.outcomes[-1], of_all_arms(found.outcomes)
    margin = percent(found.margin)
    text = (
        f"The restricted mean of the wait differs by {_signed(last.wait.difference, ' %')} and the "
        f"share of runs with the event by {_signed(last.share.difference, ' points')}, over "
        f"{last.num_pairs} independent repetitions; the margin is ±{margin}"
    )
    if verdict == "equivalent":
        together = last.arm is None and any(o.verdict != "equivalent" for o in found.outcomes)
        where = ", taken over all arms together" if together else ""
        return f"{text}: the distributions of outcomes are equivalent{where}."
    if verdict == "different":
        return f"{text}. {_different(found.outcomes)}"
    return f"{text}: undecided whether the distributions are equivalent. {_advice(found)}"


def _different(outcomes: list[OutcomeAgreement]) -> str:
    names = [
        "all arms together" if outcome.arm is None else repr(outcome.arm)
        for outcome in outcomes
        if outcome.verdict == "different"
    ]
    return f"Outcomes differ beyond chance, in {joined(names)}."


def _advice(found: Verification) -> str:
    last, num_all = found.outcomes[-1], len(found.finished.runs)
    if last.pairs_needed is None:
        return "More runs like these would not show it."
    needed = math.ceil(last.pairs_needed * len(found.runs) / last.num_pairs)
    if needed > num_all:
        return f"About {needed} runs like these would show it, and {num_all} are there."
    return f"About {needed} runs like these would show it: --runs={needed}."


def _signed(estimate: Estimate, unit: str) -> str:
    """`−0.3 % (90 % CI −1.1 to 0.5)`, with more digits where all of them are small."""
    numbers = [100 * number for number in estimate[:3]]
    form = ".1f" if max(map(abs, numbers)) >= 0.1 else ".1g"
    value, lower, upper = (_without_sign_of_zero(f"{number:{form}}") for number in numbers)
    return f"{value}{unit} (90 % CI {lower} to {upper})"


def _without_sign_of_zero(text: str) -> str:
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
