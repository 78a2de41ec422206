"""Tells whether the wait was decided at the start (fate), by the data order, or by luck (chance)."""

from typing import NamedTuple

import numpy as np

from .. import statistics
from ..errors import counted
from ..outcomes.event import Event
from ..statistics import LEVEL, CrossedComponents, EarlyLuck, ForkPrediction
from .arm_runs import ArmRuns
from .phrases import moment, number, p_value, percent, share
from .summary import Summary

# A share of the variance above this, beyond chance, is called the greater part.
_GREATER = 0.5
_FEW_EVENTS = 8
_FEW_LEVELS = 4
_CONCLUSIONS = {
    "init_share": "Mostly fate: who starts where decides how long it waits.",
    "order_share": "Mostly chance: the examples it happens to meet decide how long it waits.",
    "rest_share": "Neither alone decides: it is the meeting of this start with this order.",
}
_HIDDEN_PROGRESS = (
    "The flat stretch hides progress: forks of one parent, which share nothing but its state, leave the plateau at "
    "more similar times than forks of different ones."
)
_NO_PROGRESS = (
    "No sign that the state on the plateau says how long it still takes, as it would be for a memoryless wait; the "
    "interval says how much could have been missed."
)


class VarianceSplit(NamedTuple):
    """What the design of an arm says about its waiting time; None, with a reason in words, where it says nothing."""

    components: CrossedComponents | None
    forks: ForkPrediction | None
    luck: EarlyLuck | None
    reasons: list[str]

    @property
    def has_design(self) -> bool:
        """Whether a grid or forks say something."""
        return self.components is not None or self.forks is not None


def split_variances(summary: Summary) -> dict[str, VarianceSplit]:
    """Returns the split of every arm whose design or runs allow one."""
    splits = {name: split_variance(runs) for name, runs in summary.runs.items()}
    return {name: split for name, split in splits.items() if any(split)}


def split_variance(runs: ArmRuns) -> VarianceSplit:
    """Splits the variance of the wait of an arm as far as its design and its runs allow."""
    reasons: list[str] = []
    components = forks = luck = None
    if runs.grid is not None:
        grid, waits = runs.grid, np.maximum(runs.grid.time, 1.0)
        try:
            components = statistics.crossed_components(waits, grid.event, grid.init_seed, grid.order)
        except ValueError as error:
            reasons.append(f"the shares of start and order cannot be estimated: {error}.")
    if runs.forks is not None:
        # A fork that leaves the plateau within its first step counts as if it took one.
        left = np.maximum(runs.forks.time_left, 1.0)
        try:
            forks = statistics.fork_prediction(left, runs.forks.event, runs.forks.parent)
        except ValueError as error:
            reasons.append(f"the forks say nothing: {error}.")
    elif runs.has_forks_asked:
        reasons.append("there are no forks yet: half of the runs never left, or none still waited at the step.")
    came = runs.event == 1
    if runs.waits_for == Event.BREAK:
        came &= np.asarray(runs.status) == "broke"
    # Early runs mean luck only where most runs waited for an event that came.
    if np.sum(came) >= _FEW_EVENTS and 2 * np.sum(came) > len(came):
        luck = statistics.early_luck(np.maximum(runs.time, 1.0), runs.event)
    return VarianceSplit(components, forks, luck, reasons)


def describe_split(summary: Summary, name: str, split: VarianceSplit) -> list[str]:
    """Returns a paragraph for each thing that the design of an arm says."""
    lines, runs = [], summary.runs[name]
    if split.components is not None:
        lines.append(_describe_grid(name, split.components))
    if split.forks is not None:
        lines.append(_describe_forks(summary, name, split.forks))
    if split.luck is not None:
        lines.append(_describe_luck(summary, name, split.luck))
    lines += [f"“{name}”: {reason}" for reason in split.reasons]
    for part, (one, many, which) in (
        (runs.grid, ("start", "starts", "of the grid")),
        (runs.forks, ("parent", "parents", "with forks")),
    ):
        if part is not None and part.num_missing:
            missing = counted(part.num_missing, f"more {one} {which} is", f"more {many} {which} are")
            lines.append(f"“{name}”: {missing} not complete yet.")
        if part is not None and part.num_failed:
            lines.append(f"“{name}”: failed and left out among the {many} {which}: {counted(part.num_failed, 'run')}.")
    return lines


def _describe_grid(name: str, components: CrossedComponents) -> str:
    num_starts, num_orders = components.num_init_seeds, components.num_order_seeds
    text = (
        f"“{name}”, {counted(num_starts, 'start')} × {counted(num_orders, 'data order')}: of the variance of log "
        f"waiting time {share(components.init_share)} belongs to the start, {share(components.order_share)} to the "
        f"data order, and {share(components.rest_share)} to what the two do together."
    )
    if min(num_starts, num_orders) < _FEW_LEVELS:
        return f"{text} Too few starts or orders to draw a conclusion; the intervals rest on the model."
    greater = (words for field, words in _CONCLUSIONS.items() if getattr(components, field).lower > _GREATER)
    return f"{text} {next(greater, 'None of them is the greater part beyond chance.')}"


def _describe_forks(summary: Summary, name: str, forks: ForkPrediction) -> str:
    runs = summary.runs[name].forks
    assert runs is not None
    step = moment(runs.step / summary.steps_per_unit(name), summary.unit)
    return (
        f"“{name}”, {counted(forks.num_runs, 'fork')} of {counted(forks.num_parents, 'parent')}, parted at {step} "
        f"on the plateau: the parent accounts for {share(forks.parent_share)} of the variance of the log time that "
        f"was left ({p_value(forks.p_value)} for none). {_HIDDEN_PROGRESS if forks.p_value < LEVEL else _NO_PROGRESS}"
    )


def _describe_luck(summary: Summary, name: str, luck: EarlyLuck) -> str:
    conclusion = "That does not exclude a memoryless wait."
    if luck.p_value < LEVEL:
        conclusion = "So the wait is not memoryless: something has to build up first."
    half = number(luck.median / 2 / summary.steps_per_unit(name), summary.unit)
    return (
        f"“{name}”: {luck.num_early} of {counted(luck.num_runs, 'run')} needed less than half the median time ({half} "
        f"{summary.unit}); of memoryless waits {percent(luck.expected)} would ({p_value(luck.p_value)} for so few). "
        f"{conclusion}"
    )
