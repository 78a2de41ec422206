"""Adds seeds until a question is decided, with statements that hold at every look.

A look covers the longest prefix in seed order whose runs are all over, and is due whenever that has grown by a block in
every arm that is still open: quick runs end first, so anything else would favour them. Seeds are released before each
look, so that which runs there are in the end depends neither on the order in which they end nor on kills between. A
failed run is over, and left out of the counts. Fractions have a confidence sequence, comparisons an e-value whose
strata are the seeds.
"""

import dataclasses
from typing import Any

import numpy as np

from .. import statistics
from ..arms.options import check_fields, documented, option
from ..errors import InputError
from ..outcomes.prefix import FinishedPrefix

# Blocks that start before the current one is over, so that no worker waits for a look.
_AHEAD = 1
# JSON has no infinity.
_LARGEST = 1e300


@documented
@dataclasses.dataclass(frozen=True)
class Until:
    """When to stop adding seeds."""

    goal: str = option(
        dataclasses.MISSING,
        "add seeds until `fraction`: every interval is narrow, or `comparison`: every arm is told from the baseline; "
        "the intervals hold at every look",
        choices=("fraction", "comparison"),
        flag="until",
    )
    half_width: float = option(
        0.1, "of the interval of a fraction (default: 0.1)", is_positive=True, maximum=0.5, is_open=True
    )
    hazard_ratio: float = option(2.0, "for which a comparison needs the fewest seeds (default: 2)", minimum=1)
    max_seeds: int = option(1000, "seeds of an arm after which to stop anyway (default: 1000)", minimum=1)
    block: int = option(16, "seeds between looks (default: 16)", minimum=1)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.hazard_ratio == 1:
            raise InputError("hazard_ratio=1.0: expected more than 1")


class SequentialSeeds:
    """Decides from finished runs which seeds may start, and whether the question is decided.

    `horizons` are by arm, in the unit of all times and the order of the study. `records` hold for each look, of earlier
    launches too, seeds, goal, the estimates by arm and the arms still open; `released` is how many seeds may run.
    """

    def __init__(self, until: Until, horizons: dict[str, float], baseline: str, records: list[dict[str, Any]]) -> None:
        check_goal(until, len(horizons))
        self.records = list(records)
        self.open = list(horizons)
        self.released = dict.fromkeys(horizons, 0)
        self._until, self._horizons, self._baseline = until, horizons, baseline
        self._waited: dict[str, dict[int, tuple[float, int | None]]] = {name: {} for name in horizons}
        self._prefix = {name: FinishedPrefix() for name in horizons}
        self._given = dict.fromkeys(horizons, 0)
        self._num_seeds = 0

    def add(self, arm: str, seed: int, time: float, event: int | None) -> None:
        """Notes that the run of a seed is over: its time of the event or the end, and its event.

        The event is 0 censored, 1 the event, 2 diverged, or `None` for a run that failed.
        """
        self._waited[arm][seed] = (time, event)
        self._prefix[arm].add(seed)

    def num_over(self, arm: str) -> int:
        """Counts the seeds of an arm, from 0 on, that are all over."""
        return self._prefix[arm].length

    def update(self) -> bool:
        """Takes every look that is due, and tells whether there was one."""
        is_new = False
        self._release_due()
        while self.open and (size := self._num_seeds + self._until.block) <= self._reach():
            self._look(min(size, self._until.max_seeds))
            self._release_due()
            is_new = True
        return is_new

    def release(self) -> dict[str, range]:
        """Returns seeds that may start now, by arm; each is given once."""
        self._release_due()
        given = {arm: range(self._given[arm], last) for arm, last in self.released.items() if self._given[arm] < last}
        self._given.update(self.released)
        return given

    def _release_due(self) -> None:
        last = min(self._num_seeds + (1 + _AHEAD) * self._until.block, self._until.max_seeds)
        self.released.update(dict.fromkeys(self.open, last))

    def _reach(self) -> int:
        """Returns the length of the prefix that is over in all open arms; spent seeds count as a whole block."""
        prefix = min(self._prefix[arm].length for arm in self.open)
        is_spent = prefix >= self._until.max_seeds > self._num_seeds
        return self._num_seeds + self._until.block if is_spent else prefix

    def _look(self, num_seeds: int) -> None:
        self._num_seeds = num_seeds
        goal = self._until.goal
        decide = self._fractions if goal == "fraction" else self._comparisons
        record, decided = decide(num_seeds)
        undecided = [arm for arm in self.open if arm not in decided]
        if goal == "comparison" and undecided == [self._baseline]:
            undecided = []
        self.open = [] if num_seeds >= self._until.max_seeds else undecided
        earlier = (look["seeds"] for look in self.records if look["goal"] == goal)
        if num_seeds > max(earlier, default=0):
            about = {"seeds": num_seeds, "goal": goal, "undecided": undecided}
            self.records.append({**about, **record, **self._failures(num_seeds)})

    def _failures(self, num_seeds: int) -> dict[str, Any]:
        """Counts the runs of each arm that are left out because they failed, if there are any."""
        events = {
            arm: [event for seed, (_, event) in waited.items() if seed < num_seeds]
            for arm, waited in self._waited.items()
        }
        failed = {arm: found.count(None) for arm, found in events.items() if None in found}
        return {"failed": failed} if failed else {}

    def _fractions(self, num_seeds: int) -> tuple[dict[str, Any], set[str]]:
        found = {}
        for arm in self.open:
            events = [self._waited[arm][seed][1] for seed in range(num_seeds)]
            if num_trials := num_seeds - events.count(None):
                found[arm] = statistics.confidence_sequence(events.count(1), num_trials)
        decided = {arm for arm, one in found.items() if one.upper - one.lower <= 2 * self._until.half_width}
        return {"fractions": {arm: list(one[:3]) for arm, one in found.items()}}, decided

    def _comparisons(self, num_seeds: int) -> tuple[dict[str, Any], set[str]]:
        found = {arm: self._test(arm, num_seeds).e_value for arm in self.open if arm != self._baseline}
        least = (len(self._waited) - 1) / statistics.LEVEL
        decided = {arm for arm, e_value in found.items() if e_value >= least}
        return {"e_values": {arm: min(e_value, _LARGEST) for arm, e_value in found.items()}}, decided

    def _test(self, arm: str, num_seeds: int) -> statistics.SafeTest:
        """Compares pairs that share a seed; a run that diverged is at risk up to its arm's horizon.

        If either run of a pair failed, the whole pair is left out: which of the two failed does not matter, so the
        remaining pairs are as exchangeable under the hypothesis as all pairs were.
        """
        names = (self._baseline, arm)
        seeds = [seed for seed in range(num_seeds) if all(self._waited[name][seed][1] is not None for name in names)]
        if not seeds:
            return statistics.SafeTest(1.0, 1.0, 0)
        ends = [(name, *self._waited[name][seed]) for name in names for seed in seeds]
        times = np.array([self._horizons[name] if event == 2 else time for name, time, event in ends])
        events = np.array([int(event == 1) for _, _, event in ends])
        group, strata = np.repeat([0, 1], len(seeds)), np.tile(seeds, 2)
        return statistics.safe_log_rank(times, events, group, self._until.hazard_ratio, strata)


def check_goal(until: Until, num_arms: int) -> None:
    """Raises `InputError` where there are too few arms to compare."""
    if until.goal == "comparison" and num_arms < 2:
        raise InputError("until=comparison needs at least two arms")
