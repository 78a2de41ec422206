"""Sentences on the runs that did not leave chance level; verdicts take them from here."""

from ..errors import counted
from ..outcomes.chance import ChanceOf
from .summary import ArmSummary

_MOST = 0.5
_UNTAUGHT = {
    ChanceOf.CONSTANT: "a constant prediction",
    ChanceOf.UNTRAINED: "untrained runs",
    ChanceOf.TRAINER: "having learned nothing",
}


def are_above_chance(arm: ArmSummary) -> bool:
    """Whether most of the runs that did not leave chance level have a loss above it."""
    return arm.num_above_chance > _MOST * arm.statuses["stuck"]


def untaught(arm: ArmSummary) -> str:
    """Says whose loss counts as chance level: `a constant prediction`."""
    return _UNTAUGHT[arm.chance_of]


def above_chance(arm: ArmSummary) -> str:
    """Writes `24 of 24 runs have a loss above that level, in the median 22 times as high`."""
    if arm.loss_above_chance is None:
        return ""
    times = f"{arm.loss_above_chance:,.0f}" if 10 <= arm.loss_above_chance < 1e6 else f"{arm.loss_above_chance:.2g}"
    runs = f"{arm.num_above_chance} of {counted(arm.num_runs, 'run')}"
    if arm.num_above_chance == 1:
        return f"{runs} has {times} times that loss"
    return f"{runs} have a loss above that level, in the median {times} times as high"


def describe(arm: ArmSummary, is_above_told: bool = True) -> list[str]:
    """Says what the runs that did not leave chance level did, if not stay there."""
    lines = []
    if arm.num_lost_at_start:
        lines.append(
            f"In {counted(arm.num_lost_at_start, 'run')} the loss is not finite before the first step, which no "
            "learning rate changes: look at the inputs, the start of the network and the loss."
        )
    if arm.num_above_chance and is_above_told:
        lines.append(f"Worse than {untaught(arm)}: {above_chance(arm)} at the end.")
    if arm.num_fell_back:
        lines.append(f"{counted(arm.num_fell_back, 'run')} had left chance level before and fell back.")
    return lines
