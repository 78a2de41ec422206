"""How many seeds and steps some minutes buy, and what can be told from them."""

import math
from typing import NamedTuple

from engine import statistics
from engine.errors import InputError
from engine.statistics import LEVEL

# With fewer, not even pairs that all agree are beyond chance after Holm over a dozen changes with
# two tests each: the sign test of n such pairs has p = 2·2^−n. More say little that these do not.
FEWEST_SEEDS, _MOST_SEEDS = 10, 24
# A longer look than was asked for, where time is left.
_LONGEST = 4
# Rows, report and what lanes wait for each other.
_SHARE_OF_TRAINING = 0.8
_REPORT_SECONDS = 8.0
# That are tried, where none is skipped.
NUM_CHANGES = 12


class Costs(NamedTuple):
    """What was measured.

    Attributes:
        seconds_per_step: of a seed, alone on one device.
        start_seconds: until a structure is compiled.
        spent_seconds: on finding out.
        num_workers: that train side by side.
        num_arms, num_structures: of the diagnosis.
    """

    seconds_per_step: float
    start_seconds: float
    spent_seconds: float
    num_workers: int
    num_arms: int
    num_structures: int


class Budget(NamedTuple):
    """What is run.

    Attributes:
        seeds: of every arm.
        horizon: in steps.
        words: what that is made of and what it can tell, a sentence each.
    """

    seeds: int
    horizon: int
    words: list[str]


def choose(
    minutes: float, costs: Costs, asked_horizon: int, longest_horizon: float, is_horizon_fixed: bool, seeds: int | None
) -> Budget:
    """Seeds and horizon for some minutes.

    The horizon asked for comes first, then seeds up to 24, then a horizon up to four times as long.
    Where not even 10 seeds reach it, it is cut.

    Args:
        minutes: for everything, the report included.
        costs: measured.
        asked_horizon: steps.
        longest_horizon: steps beyond which no run gets anywhere, because its rate has decayed.
        is_horizon_fixed: whether it may not be changed.
        seeds: as asked for, or `None`.

    Raises:
        InputError: the minutes do not buy what was asked for.
    """
    rounds = math.ceil(costs.num_structures / costs.num_workers)
    left = 60 * minutes - costs.spent_seconds - rounds * costs.start_seconds - _REPORT_SECONDS
    rate = _SHARE_OF_TRAINING * costs.num_workers / costs.seconds_per_step
    steps = max(left, 0.0) * rate / costs.num_arms

    def needed(seeds: int, horizon: float) -> float:
        return (60 * minutes - left + seeds * horizon * costs.num_arms / rate) / 60

    number = min(max(int(steps / asked_horizon), FEWEST_SEEDS), _MOST_SEEDS) if seeds is None else seeds
    horizon = asked_horizon
    if not is_horizon_fixed:
        longest = max(min(_LONGEST * asked_horizon, longest_horizon), asked_horizon)
        horizon = int(min(steps / number, longest))
    # What runs are shortened to must still be a look worth having.
    least = asked_horizon if is_horizon_fixed else asked_horizon // 2
    if horizon < least or number * horizon > steps * 1.02:
        raise InputError(
            f"minutes={minutes:g} do not buy {number} seeds of {costs.num_arms} arms to "
            f"{least} steps: expected at least {math.ceil(10 * needed(number, least)) / 10:g}"
            f"{'' if seeds is None else ', or fewer seeds'}"
        )
    how = (
        f"{1e3 * costs.seconds_per_step:.3g} ms for a step of a seed, {costs.num_workers} at a "
        f"time: {minutes:g} minutes buy {number} seeds of {costs.num_arms} arms to {horizon} steps"
        f"{'' if horizon == asked_horizon else f'; the horizon as given is {asked_horizon}'}."
    )
    return Budget(number, horizon, [how, what_seeds_can_tell(number)])


def what_seeds_can_tell(seeds: int) -> str:
    """What a number of seeds of every arm can tell, in a sentence."""
    least = statistics.proportion(seeds, seeds).lower
    if seeds < FEWEST_SEEDS:
        return (
            f"{seeds} seeds are too few for a cause: not even pairs of seeds that all agree are "
            f"beyond chance after Holm over all changes; that takes {FEWEST_SEEDS}."
        )
    return (
        f"If all {seeds} runs of an arm leave, at least {100 * least:.0f} % of such runs do (95 % "
        f"confidence); a change is told from chance, after Holm, if it is earlier in "
        f"{_pairs_needed(seeds)} of {seeds} pairs of seeds."
    )


def _pairs_needed(seeds: int) -> int:
    """Of pairs in which both runs leave, those in which a change must be earlier.

    A log-rank test stratified by pairs is a sign test, with an exact binomial p; Holm's first step
    asks for the level over the number of changes, each of which is tested in two ways.
    """
    from scipy.stats import binom

    least = binom.isf(0.5 * LEVEL / (2 * NUM_CHANGES), seeds, 0.5) + 1
    return int(min(least, seeds))
