"""Chance or fate: whether the wait was decided at the start, by the data order, or by luck."""

from typing import NamedTuple

import numpy as np

from engine import statistics
from engine.outcomes.event import Event
from engine.report.arm_runs import ArmRuns, ForkRuns
from engine.report.phrases import number, p_value, percent
from engine.report.summary import Summary
from engine.statistics import LEVEL, CrossedComponents, EarlyLuck, Estimate, ForkPrediction

# A share of the variance above this, beyond chance, is called the greater part.
_GREATER = 0.5
_FEW_EVENTS = 8
# Below this many starts or data orders no conclusion is drawn in words.
_FEW_LEVELS = 4


class VarianceSplit(NamedTuple):
    """What the design of an arm says about its waiting time; `None` where it says nothing.

    Attributes:
        components: of the variance of log time, from a crossed grid.
        forks: whether the parent predicts the time that is left.
        luck: how many runs were early, from independent repetitions.
        reasons: in words, what could not be estimated and why.
    """

    components: CrossedComponents | None
    forks: ForkPrediction | None
    luck: EarlyLuck | None
    reasons: list[str]


def split_variances(summary: Summary) -> dict[str, VarianceSplit]:
    """The numbers of every arm whose design asks something of this kind."""
    splits = {name: split_variance(runs) for name, runs in summary.runs.items()}
    return {name: split for name, split in splits.items() if split is not None}


def split_variance(runs: ArmRuns) -> VarianceSplit | None:
    """The numbers of an arm; `None` where neither its design nor its runs say anything."""
    reasons: list[str] = []
    components = forks = luck = None
    if runs.grid is not None:
        grid = runs.grid
        try:
            components = statistics.crossed_components(
                np.maximum(grid.time, 1.0), grid.event, grid.init_seed, grid.order
            )
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
    if _has_waits(runs):
        luck = statistics.early_luck(np.maximum(runs.time, 1.0), runs.event)
    if components is None and forks is None and luck is None and not reasons:
        return None
    return VarianceSplit(components, forks, luck, reasons)


def _has_waits(runs: ArmRuns) -> bool:
    """Whether most runs of an arm waited for an event that came, so that early ones mean luck."""
    came = runs.event == 1
    if runs.waits_for == Event.BREAK:
        came &= np.asarray(runs.status) == "broke"
    return int(np.sum(came)) >= _FEW_EVENTS and 2 * int(np.sum(came)) > len(came)


def in_words(name: str, runs: ArmRuns, split: VarianceSplit, unit: str, steps_per_unit: float) -> list[str]:
    """One paragraph for each thing that the design says."""
    lines = []
    if split.components is not None:
        lines.append(_grid_words(name, split.components))
    if split.forks is not None and runs.forks is not None:
        lines.append(_fork_words(name, runs.forks, split.forks, unit, steps_per_unit))
    if split.luck is not None:
        lines.append(_luck_words(name, split.luck, unit, steps_per_unit))
    lines += [f"“{name}”: {reason}" for reason in split.reasons]
    for part, words in ((runs.grid, "starts of the grid"), (runs.forks, "parents with forks")):
        if part is not None and part.num_missing:
            lines.append(f"“{name}”: {part.num_missing} more {words} are not complete yet.")
        if part is not None and part.num_failed:
            lines.append(f"“{name}”: runs among the {words} that failed, and are left out: {part.num_failed}.")
    return lines


def _share(estimate: Estimate) -> str:
    low, high = percent(estimate.lower).removesuffix(" %"), percent(estimate.upper)
    return f"{percent(estimate.value)} (95 % CI {low}–{high})"


def _grid_words(name: str, components: CrossedComponents) -> str:
    text = (
        f"“{name}”, {components.num_init_seeds} starts × {components.num_order_seeds} data orders: "
        f"of the variance of log waiting time {_share(components.init_share)} belongs to the "
        f"start, {_share(components.order_share)} to the data order, and "
        f"{_share(components.rest_share)} to what the two do together."
    )
    conclusions = {
        "init_share": "Mostly fate: who starts where decides how long it waits.",
        "order_share": "Mostly chance: the examples it happens to meet decide how long it waits.",
        "rest_share": "Neither alone decides: it is the meeting of this start with this order.",
    }
    if components.num_init_seeds < _FEW_LEVELS or components.num_order_seeds < _FEW_LEVELS:
        return f"{text} So few say little of what decides; the intervals rest on the model."
    for field, words in conclusions.items():
        if getattr(components, field).lower > _GREATER:
            return f"{text} {words}"
    return f"{text} None of them is the greater part beyond chance."


def _fork_words(name: str, runs: ForkRuns, forks: ForkPrediction, unit: str, steps_per_unit: float) -> str:
    word = "epoch" if unit == "epochs" else "step"
    text = (
        f"“{name}”, {forks.num_runs} forks of {forks.num_parents} parents, parted at {word} "
        f"{number(runs.step / steps_per_unit, unit)} on the plateau: the parent accounts for "
        f"{_share(forks.parent_share)} of the variance of the log time that was left "
        f"({p_value(forks.p_value)} for none)."
    )
    if forks.p_value < LEVEL:
        return (
            f"{text} The flat stretch hides progress: forks of one parent, which share nothing but "
            f"its state, leave the plateau at more similar times than forks of different ones."
        )
    return (
        f"{text} No sign that the state on the plateau says how long it still takes, as it would "
        f"be for a memoryless wait; the interval says how much could have been missed."
    )


def _luck_words(name: str, luck: EarlyLuck, unit: str, steps_per_unit: float) -> str:
    half = number(luck.median / 2 / steps_per_unit, unit)
    text = (
        f"“{name}”: {luck.num_early} of {luck.num_runs} runs needed less than half the median time "
        f"({half} {unit}); of memoryless waits {percent(luck.expected)} would "
        f"({p_value(luck.p_value)} for so few)."
    )
    if luck.p_value < LEVEL:
        return f"{text} So the wait is not memoryless: something has to build up first."
    return f"{text} That does not exclude a memoryless wait."


def shares_of(split: VarianceSplit) -> dict[str, Estimate]:
    """The shares of the grid by what they belong to, for a figure."""
    assert split.components is not None
    return {
        "start": split.components.init_share,
        "data order": split.components.order_share,
        "both together": split.components.rest_share,
    }
