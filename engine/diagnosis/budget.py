"""Chooses how many seeds and steps some minutes buy, and says what they can tell."""

import math
from typing import NamedTuple

from engine import statistics
from engine.diagnosis.factors import NUM_CHANGES
from engine.errors import InputError
from engine.statistics import LEVEL

# With fewer, not even pairs that all agree are beyond chance after Holm over all changes with two tests each: the sign
# test of n such pairs has p = 2·2^−n. More say little that these do not.
FEWEST_SEEDS, _MOST_SEEDS = 10, 24
# The horizon is at most this many times as long as requested, where time is left.
_LONGEST = 4
# The rest goes to rows, the report, and lanes that wait for each other.
_SHARE_OF_TRAINING = 0.8
_REPORT_SECONDS = 8.0


class Costs(NamedTuple):
    """What was measured.

    Attributes:
        seconds_per_step: for one seed, alone on one device.
        start_seconds: to compile one structure.
        spent_seconds: on measuring this.
        num_workers: workers that train side by side.
        num_arms, num_structures: of the diagnosis.
    """

    seconds_per_step: float
    start_seconds: float
    spent_seconds: float
    num_workers: int
    num_arms: int
    num_structures: int


class Budget(NamedTuple):
    """What is run: seeds of every arm and the horizon in steps, and sentences on what that costs and can tell."""

    seeds: int
    horizon: int
    words: list[str]


class Request(NamedTuple):
    """What the budget is to be made of.

    Attributes:
        minutes: for everything, the report included.
        horizon: in steps.
        longest_horizon: steps beyond which no run gets anywhere, because its learning rate has decayed.
        is_horizon_fixed: whether the horizon may not be changed.
        seeds: of every arm, or `None` to choose them.
    """

    minutes: float
    horizon: int
    longest_horizon: float
    is_horizon_fixed: bool
    seeds: int | None


def choose(request: Request, costs: Costs) -> Budget:
    """Chooses seeds and horizon for some minutes.

    The horizon as requested comes first, then seeds up to 24, then a horizon up to four times as long. Where not even
    10 seeds reach the horizon, it is cut down to half.

    Raises:
        InputError: the minutes do not buy what is requested.
    """
    minutes, asked_horizon, seeds = request.minutes, request.horizon, request.seeds
    rounds = math.ceil(costs.num_structures / costs.num_workers)
    left = 60 * minutes - costs.spent_seconds - rounds * costs.start_seconds - _REPORT_SECONDS
    rate = _SHARE_OF_TRAINING * costs.num_workers / costs.seconds_per_step
    steps = max(left, 0.0) * rate / costs.num_arms

    def needed(seeds: int, horizon: float) -> float:
        return (60 * minutes - left + seeds * horizon * costs.num_arms / rate) / 60

    number = min(max(int(steps / asked_horizon), FEWEST_SEEDS), _MOST_SEEDS) if seeds is None else seeds
    horizon = asked_horizon
    if not request.is_horizon_fixed:
        longest = max(min(_LONGEST * asked_horizon, request.longest_horizon), asked_horizon)
        horizon = int(min(steps / number, longest))
    # Runs are not cut so short that they show nothing.
    least = asked_horizon if request.is_horizon_fixed else asked_horizon // 2
    if horizon < least or number * horizon > steps * 1.02:
        fewer = "" if seeds is None else ", or fewer seeds"
        raise InputError(
            f"minutes={minutes:g} do not buy {number} seeds of {costs.num_arms} arms to {least} steps: expected at "
            f"least {math.ceil(10 * needed(number, least)) / 10:g}{fewer}"
        )
    given = "" if horizon == asked_horizon else f"; the horizon as given is {asked_horizon}"
    how = (
        f"{1e3 * costs.seconds_per_step:.3g} ms for a step of a seed, {costs.num_workers} at a time: {minutes:g} "
        f"minutes buy {number} seeds of {costs.num_arms} arms to {horizon} steps{given}."
    )
    return Budget(number, horizon, [how, what_seeds_can_tell(number)])


def what_seeds_can_tell(seeds: int) -> str:
    """Says in a sentence what a number of seeds of every arm can tell."""
    if seeds < FEWEST_SEEDS:
        return (
            f"{seeds} seeds are too few for a cause: not even pairs of seeds that all agree are beyond chance after "
            f"Holm over all changes; that takes {FEWEST_SEEDS}."
        )
    least = statistics.proportion(seeds, seeds).lower
    return (
        f"If all {seeds} runs of an arm leave, at least {100 * least:.0f} % of such runs do (95 % confidence); a "
        f"change is told from chance, after Holm, if it is earlier in {_pairs_needed(seeds)} of {seeds} pairs of seeds."
    )


def _pairs_needed(seeds: int) -> int:
    """Returns in how many pairs, if both runs of each leave, a change must be earlier.

    A log-rank test stratified by pairs is a sign test, with an exact binomial p; Holm's first step asks for the level
    over the number of changes, each of which is tested in two ways.
    """
    from scipy.stats import binom

    least = binom.isf(0.5 * LEVEL / (2 * NUM_CHANGES), seeds, 0.5) + 1
    return int(min(least, seeds))
