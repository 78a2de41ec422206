"""Adding seeds until a question is decided, with statements that hold at every look.

Seeds are run in blocks of a fixed size. A look is taken over the longest prefix in seed order whose
runs are all over, whenever it has grown by a block in every arm that is still open: quick runs end
first, so anything else would favour them. Fractions have a confidence sequence, comparisons an
e-value whose strata are the seeds; both may be looked at as often as one likes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import statistics
from engine.errors import InputError, unknown_name

GOALS = {
    "fraction": "the interval of every arm's fraction is narrow enough",
    "comparison": "every arm is told from the baseline, or the seeds are spent",
}
_LEVEL = 0.05
# Blocks that are started before the one under way is over, so that no worker waits for a look.
_AHEAD = 1


@dataclasses.dataclass(frozen=True)
class Until:
    """When to stop adding seeds.

    Attributes:
        goal: one of `GOALS`.
        half_width: of the confidence sequence, for `fraction`.
        hazard_ratio: for which `comparison` needs the fewest seeds.
        max_seeds: of every arm, after which to stop anyway.
        block: seeds between looks.

    Raises:
        InputError: a number is out of range, or the goal is unknown.
    """

    goal: str
    half_width: float = 0.1
    hazard_ratio: float = 2.0
    max_seeds: int = 1000
    block: int = 16

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            raise unknown_name("goal of until", self.goal, GOALS)
        if not 0 < self.half_width < 0.5:
            raise InputError(f"half_width={self.half_width}: expected between 0 and 0.5")
        if not (np.isfinite(self.hazard_ratio) and self.hazard_ratio > 1):
            raise InputError(f"hazard_ratio={self.hazard_ratio}: expected more than 1")
        for name in ("max_seeds", "block"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")


class Looks:
    """The looks of one study, from what its finished runs say.

    Args:
        until: when to stop.
        arm_names: of the study.
        baseline: of the comparisons.
        records: of earlier launches.

    Attributes:
        records: one per look: seeds, and by arm what was seen.
        open: arms that still need seeds.
    """

    def __init__(
        self, until: Until, arm_names: list[str], baseline: str, records: list[dict[str, Any]]
    ) -> None:
        if until.goal == "comparison" and len(arm_names) < 2:
            raise InputError("until=comparison needs at least two arms")
        self.records = list(records)
        self.open = list(arm_names)
        self._until, self._baseline = until, baseline
        self._waited: dict[str, dict[int, tuple[float, int]]] = {name: {} for name in arm_names}
        self._released = dict.fromkeys(arm_names, 0)
        self._num_seeds = 0

    def add(self, arm: str, seed: int, time: float, event: int) -> None:
        """Notes a run that is over. Times of all arms are in one unit."""
        self._waited[arm][seed] = (time, event)

    def num_over(self, arm: str) -> int:
        """The seeds of an arm, from 0 on, that are all over."""
        return _prefix(self._waited[arm])

    def update(self) -> bool:
        """Takes every look that is due; whether one was."""
        is_new = False
        while self.open and (size := self._num_seeds + self._until.block) <= self._reach():
            self._look(min(size, self._until.max_seeds))
            is_new = True
        return is_new

    def release(self) -> dict[str, range]:
        """Seeds that may be started now, by arm; each is given once."""
        ahead = self._num_seeds + (1 + _AHEAD) * self._until.block
        given = {}
        for arm in self.open:
            first, last = self._released[arm], min(ahead, self._until.max_seeds)
            if first < last:
                given[arm] = range(first, last)
                self._released[arm] = last
        return given

    def _reach(self) -> int:
        """The longest prefix of seeds that is over in all open arms; a spent one counts whole."""
        prefix = min(_prefix(self._waited[arm]) for arm in self.open)
        is_spent = prefix >= self._until.max_seeds > self._num_seeds
        return self._num_seeds + self._until.block if is_spent else prefix

    def _look(self, num_seeds: int) -> None:
        self._num_seeds = num_seeds
        decide = self._fractions if self._until.goal == "fraction" else self._comparisons
        record, decided = decide(num_seeds)
        is_spent = num_seeds >= self._until.max_seeds
        self.open = [] if is_spent else [arm for arm in self.open if arm not in decided]
        if self.open == [self._baseline] and self._until.goal == "comparison":
            self.open = []
        if num_seeds > max((r["seeds"] for r in self.records), default=0):
            self.records.append({"seeds": num_seeds, "goal": self._until.goal, **record})

    def _fractions(self, num_seeds: int) -> tuple[dict[str, Any], set[str]]:
        found, decided = {}, set()
        for arm in self.open:
            events = [self._waited[arm][seed][1] for seed in range(num_seeds)]
            estimate = statistics.confidence_sequence(events.count(1), num_seeds)
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
            found[arm] = test.e_value
            if test.e_value >= num_tests / _LEVEL:
                decided.add(arm)
        return {"e_values": found}, decided

    def _test(self, arm: str, num_seeds: int) -> Any:
        """Pairs of runs that share a seed; those that diverged never have the event."""
        times, events = [], []
        for name in (self._baseline, arm):
            pairs = [self._waited[name][seed] for seed in range(num_seeds)]
            times += [np.inf if event == 2 else time for time, event in pairs]
            events += [int(event == 1) for _, event in pairs]
        time = np.asarray(times)
        last = np.max(time[np.isfinite(time)], initial=0.0)
        return statistics.safe_log_rank(
            np.minimum(time, last),
            np.asarray(events),
            np.repeat([0, 1], num_seeds),
            self._until.hazard_ratio,
            np.tile(np.arange(num_seeds), 2),
        )


def _prefix(waited: Mapping[int, Any]) -> int:
    """The number of seeds from 0 on that are all there."""
    number = 0
    while number in waited:
        number += 1
    return number
