"""Adds seeds until a question is decided, with statements that hold at every look.

A look is one evaluation of the question. It covers the longest prefix in seed order whose runs are all over, and is due
whenever that has grown by a block in every arm that is still open: quick runs end first, so anything else would favour
them. A failed run is over, and left out of the counts. Fractions have a confidence sequence, comparisons an e-value
whose strata are the seeds; both hold at any number of looks.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import statistics
from engine.arms.options import check_fields, option
from engine.errors import InputError
from engine.outcomes.prefix import FinishedPrefix

GOALS = {
    "fraction": "the interval of every arm's fraction is narrow enough",
    "comparison": "every arm is told from the baseline, or the seeds are spent",
}
# Blocks that start before the current one is over, so that no worker waits for a look.
_AHEAD = 1
# JSON has no infinity.
_LARGEST = 1e300


@dataclasses.dataclass(frozen=True)
class Until:
    """When to stop adding seeds."""

    goal: str = option(
        dataclasses.MISSING,
        "add seeds until `fraction`: every interval is narrow, or `comparison`: every arm is told from the baseline; "
        "the intervals hold at every look",
        choices=tuple(GOALS),
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

    `horizons` are by arm, in the unit of all times and the order of the study; `records` are the looks of earlier
    launches.

    Attributes:
        records: one per look: seeds, goal, the estimates by arm, and the arms still open.
        open: arms that still need seeds.
        released: seeds that may run, by arm.
    """

    def __init__(
        self, until: Until, horizons: Mapping[str, float], baseline: str, records: list[dict[str, Any]]
    ) -> None:
        check_goal(until, len(horizons))
        self.records = list(records)
        self.open = list(horizons)
        self.released = dict.fromkeys(horizons, 0)
        self._until, self._horizons, self._baseline = until, horizons, baseline
        self._waited: dict[str, dict[int, tuple[float, int | None]]] = {name: {} for name in horizons}
        self._prefix = {name: FinishedPrefix() for name in horizons}
        self._num_seeds = 0

    def add(self, arm: str, seed: int, time: float, event: int | None) -> None:
        """Notes that the run of a seed is over.

        The time is that of the event or the end, in one unit for all arms; the event is 0 censored, 1 the event, 2
        diverged, or `None` for a run that failed.
        """
        self._waited[arm][seed] = (time, event)
        self._prefix[arm].add(seed)

    def num_over(self, arm: str) -> int:
        """Counts the seeds of an arm, from 0 on, that are all over."""
        return self._prefix[arm].length

    def update(self) -> bool:
        """Takes every look that is due, and tells whether there was one."""
        is_new = False
        while self.open and (size := self._num_seeds + self._until.block) <= self._reach():
            self._look(min(size, self._until.max_seeds))
            is_new = True
        return is_new

    def release(self) -> dict[str, range]:
        """Returns seeds that may start now, by arm; each is given once."""
        last = min(self._num_seeds + (1 + _AHEAD) * self._until.block, self._until.max_seeds)
        given = {arm: range(self.released[arm], last) for arm in self.open if self.released[arm] < last}
        self.released.update(dict.fromkeys(given, last))
        return given

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
        found, decided = {}, set()
        for arm in self.open:
            events = [self._waited[arm][seed][1] for seed in range(num_seeds)]
            num_trials = num_seeds - events.count(None)
            if not num_trials:
                continue
            estimate = statistics.confidence_sequence(events.count(1), num_trials)
            found[arm] = list(estimate[:3])
            if estimate.upper - estimate.lower <= 2 * self._until.half_width:
                decided.add(arm)
        return {"fractions": found}, decided

    def _comparisons(self, num_seeds: int) -> tuple[dict[str, Any], set[str]]:
        num_tests = len(self._waited) - 1
        found, decided = {}, set()
        for arm in self.open:
            if arm == self._baseline:
                continue
            test = self._test(arm, num_seeds)
            found[arm] = min(test.e_value, _LARGEST)
            if test.e_value >= num_tests / statistics.LEVEL:
                decided.add(arm)
        return {"e_values": found}, decided

    def _test(self, arm: str, num_seeds: int) -> statistics.SafeTest:
        """Compares pairs that share a seed; a run that diverged is at risk up to its arm's horizon.

        If either run of a pair failed, the whole pair is left out: which of the two failed does not matter, so the
        remaining pairs are as exchangeable under the hypothesis as all pairs were.
        """
        names = (self._baseline, arm)
        seeds = [seed for seed in range(num_seeds) if all(self._waited[name][seed][1] is not None for name in names)]
        if not seeds:
            return statistics.SafeTest(1.0, 1.0, 0)
        times, events = [], []
        for name in names:
            for seed in seeds:
                time, event = self._waited[name][seed]
                times.append(self._horizons[name] if event == 2 else time)
                events.append(int(event == 1))
        group = np.repeat([0, 1], len(seeds))
        strata = np.tile(seeds, 2)
        return statistics.safe_log_rank(np.asarray(times), np.asarray(events), group, self._until.hazard_ratio, strata)


def check_goal(until: Until, num_arms: int) -> None:
    """Raises `InputError` where there are too few arms to compare."""
    if until.goal == "comparison" and num_arms < 2:
        raise InputError("until=comparison needs at least two arms")
