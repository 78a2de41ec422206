"""Chooses how many seeds and steps some minutes buy, and says what they can tell."""

import math
from typing import NamedTuple

from .. import statistics
from ..errors import InputError, counted

# With fewer, not even pairs that all agree are beyond chance after Holm over all changes that there can be, with two
# tests each: the sign test of n such pairs has p = 2·2^−n. More say little that these do not.
FEWEST_SEEDS, _MOST_SEEDS = 11, 24
# The horizon is at most this many times as long as requested, where time is left.
_LONGEST = 4
# The rest goes to what is followed beyond the horizon, rows, the report, and lanes that wait for each other.
_SHARE_OF_TRAINING = 0.65
_REPORT_SECONDS = 8.0


class Costs(NamedTuple):
    """What was measured of a diagnosis: seconds for a step of one seed, to compile one structure, and spent on this."""

    seconds_per_step: float
    start_seconds: float
    spent_seconds: float
    num_workers: int
    num_arms: int
    num_structures: int
    num_changes: int


class Budget(NamedTuple):
    """Seeds of every arm, the horizon in steps, sentences on what that costs and can tell, and arms left out for it."""

    seeds: int
    horizon: int
    words: list[str]
    left_out: tuple[str, ...] = ()


def choose(
    costs: Costs, minutes: float, horizon: int, longest_horizon: float, is_horizon_fixed: bool, seeds: int | None
) -> Budget:
    """Chooses seeds and horizon for some minutes.

    The horizon as requested comes first, then seeds up to 24 (if they are not given), then a horizon up to four times
    as long. Where not even 11 seeds reach the horizon, it is cut down to half. Beyond `longest_horizon` no run gets
    anywhere, because its learning rate has decayed. Raises `InputError`: the minutes do not buy what is requested.
    """
    rounds = math.ceil(costs.num_structures / costs.num_workers)
    left = 60 * minutes - costs.spent_seconds - rounds * costs.start_seconds - _REPORT_SECONDS
    rate = _SHARE_OF_TRAINING * costs.num_workers / costs.seconds_per_step
    steps = max(left, 0.0) * rate / costs.num_arms
    number = min(max(int(steps / horizon), FEWEST_SEEDS), _MOST_SEEDS) if seeds is None else seeds
    # Runs are not cut so short that they show nothing.
    chosen, least = horizon, horizon if is_horizon_fixed else horizon // 2
    if not is_horizon_fixed:
        longest = max(min(_LONGEST * horizon, longest_horizon), horizon)
        chosen = int(min(steps / number, longest))
    if chosen < least or number * chosen > steps * 1.02:
        needed = (60 * minutes - left + number * least * costs.num_arms / rate) / 60
        fewer = "" if seeds is None else ", or fewer seeds"
        raise InputError(
            f"minutes={minutes:g} do not buy {counted(number, 'seed')} of {counted(costs.num_arms, 'arm')} to {least} "
            f"steps: expected at least {math.ceil(10 * needed) / 10:g}{fewer}"
        )
    requested = "" if chosen == horizon else f"; the horizon as given is {horizon}"
    how = (
        f"{1e3 * costs.seconds_per_step:.3g} ms for a step of a seed, {costs.num_workers} at a time: {minutes:g} "
        f"minutes buy {counted(number, 'seed')} of {counted(costs.num_arms, 'arm')} to {chosen} steps{requested}."
    )
    return Budget(number, chosen, [how, what_seeds_can_tell(number, costs.num_changes)])


def what_seeds_can_tell(seeds: int, num_changes: int) -> str:
    """Says in a sentence what a number of seeds of every arm can tell, of changes that are tested together."""
    from scipy.stats import binom

    if seeds < FEWEST_SEEDS:
        return (
            f"{counted(seeds, 'seed is', 'seeds are')} too few for a cause: not even pairs of seeds that all agree are "
            f"beyond chance after Holm over all changes; that takes {FEWEST_SEEDS}."
        )
    least = statistics.proportion(seeds, seeds).lower
    # A log-rank test stratified by pairs is a sign test, with an exact binomial p; Holm's first step asks for the level
    # over the number of changes, each of which is tested in two ways.
    pairs = min(int(binom.isf(0.5 * statistics.LEVEL / (2 * num_changes), seeds, 0.5)) + 1, seeds)
    return (
        f"If all {counted(seeds, 'run')} of an arm leave, at least {100 * least:.0f} % of such runs do (95 % "
        f"confidence); a change is told from chance, after Holm, if it is earlier in {pairs} of {seeds} pairs of seeds."
    )
