"""The plan's runs, handed out to workers group by group."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from engine.lanes.lane import PoolSpec
from engine.lanes.runs import Checkpoint, Run
from engine.workers.messages import Assignment, Delivery, Hooks, MoreRuns

_LOSSES_OF_A_FAILED_RUN = 2


class Loss(NamedTuple):
    """What the death of a worker cost.

    Attributes:
        runs: that have to be done again, or from their last checkpoint on.
        failed: a run that is given up because it has ended its worker twice, or `None`.
    """

    runs: list[Run]
    failed: Run | None


class Scheduler:
    """The plan's runs, handed out to workers group by group.

    Runs whose worker died are done again by themselves once it happens to them a second time:
    half of them at a time, until the one that ends its worker is known.

    Args:
        specs: of the pools, by group.
        pending: runs of each group, in the order in which they are to start.
        hooks: called when something happens.
    """

    def __init__(self, specs: Sequence[PoolSpec], pending: Sequence[Sequence[Run]], hooks: Hooks) -> None:
        self.hooks = hooks
        self._specs = list(specs)
        self._pending = [deque(runs) for runs in pending]
        self._suspects: list[deque[list[Run]]] = [deque() for _ in specs]
        self._losses: Counter[Run] = Counter()
        self._group: dict[int, int] = {}
        self._in_flight: dict[int, list[Run]] = {}
        self._isolated: set[int] = set()
        self._steps: Counter[int] = Counter()
        self._kept_steps: Counter[Run] = Counter()
        self._given_steps: Counter[Run] = Counter()
        self._has_progressed: set[int] = set()
        self._has_begun = False
        self._is_stopped = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is pending or in flight."""
        return not self._has_any() and not any(self._in_flight.values())

    def has_pending(self) -> bool:
        """Whether a new worker would find something to do."""
        return self._has_any() and not self._is_stopped

    def _has_any(self) -> bool:
        return any(self._pending) or any(self._suspects)

    def stop(self) -> None:
        """Hands out nothing any more."""
        self._is_stopped = True

    def assign(self, worker: int, num_free: int, num_busy: int) -> Assignment | None:
        """Runs for a worker: of its own group first, of another one when its lanes are empty."""
        if self._is_stopped:
            return None
        group = self._group.get(worker)
        if num_busy and worker in self._isolated:
            return Assignment(self._group[worker], None, [], {})
        self._isolated.discard(worker)
        if num_busy and group is not None and self._specs[group].arm.stream:
            # A cohort is over before the next one starts.
            return Assignment(group, None, [], {})
        if not num_busy and group is not None and num_free and self._suspects[group]:
            return self._hand_out(worker, group, self._take_suspects(worker, group))
        if group is not None and self._pending[group]:
            return self._hand_out(worker, group, self._take(group, num_free))
        if num_busy:
            return Assignment(group, None, [], {}) if group is not None else None
        group = self._choose_group()
        if group is None:
            self._group.pop(worker, None)
            return None
        self._group[worker] = group
        spec = self._specs[group]
        if self._suspects[group]:
            return self._hand_out(worker, group, self._take_suspects(worker, group), spec)
        return self._hand_out(worker, group, self._take(group, spec.width), spec)

    def _choose_group(self) -> int | None:
        """The group with most pending runs, of those that the fewest workers serve.

        Before anything runs, of those that the most serve: they compile one program together.
        """
        serving = Counter(self._group.values())
        sign = 1 if self._has_begun else -1
        sizes = [
            len(pending) + sum(map(len, suspects))
            for pending, suspects in zip(self._pending, self._suspects, strict=True)
        ]
        waiting = [group for group, size in enumerate(sizes) if size]
        return min(waiting, key=lambda g: (sign * serving[g], -sizes[g]), default=None)

    def _take(self, group: int, num: int) -> list[Run]:
        pending = self._pending[group]
        taken = [pending.popleft() for _ in range(min(num, len(pending)))]
        together, others = self._at_one_step(group, taken)
        pending.extendleft(reversed(others))
        return together

    def _at_one_step(self, group: int, runs: list[Run]) -> tuple[list[Run], list[Run]]:
        """The runs that can share a worker, and the others.

        Lanes of a cohort are at one step, so only what was left at the same step goes on.
        """
        if not self._specs[group].arm.stream or len(runs) < 2:
            return runs, []
        steps = [self._kept_step(run) for run in runs]
        pairs = list(zip(runs, steps, strict=True))
        return ([run for run, step in pairs if step == steps[0]], [run for run, step in pairs if step != steps[0]])

    def _kept_step(self, run: Run) -> int:
        kept = self.hooks.find_checkpoint(run)
        return 0 if kept is None else kept.step

    def _take_suspects(self, worker: int, group: int) -> list[Run]:
        self._isolated.add(worker)
        suspects = self._suspects[group]
        together, others = self._at_one_step(group, suspects.popleft())
        if others:
            suspects.appendleft(others)
        return together

    def _hand_out(self, worker: int, group: int, runs: list[Run], spec: PoolSpec | None = None) -> Assignment:
        self._in_flight.setdefault(worker, []).extend(runs)
        found = {run: self.hooks.find_checkpoint(run) for run in runs}
        checkpoints = {run: kept for run, kept in found.items() if kept is not None}
        for run in runs:
            self._given_steps[run] = checkpoints[run].step if run in checkpoints else 0
            self._kept_steps[run] = self._given_steps[run]
        return Assignment(group, spec, runs, checkpoints)

    def deliver(self, worker: int, delivery: Delivery) -> None:
        """Notes what is over and passes it on."""
        self._has_begun = True
        self._steps[worker] += delivery.seed_steps
        if delivery.seed_steps:
            self._has_progressed.add(self._group[worker])
        for finished in delivery.finished:
            run = finished.run
            self._in_flight[worker].remove(run)
            self._steps[worker] -= finished.batch_loss.size - self._given_steps.pop(run, 0)
            self._kept_steps.pop(run, None)
            self._losses.pop(run, None)
        self._add(self.hooks.on_delivery(delivery))

    def _add(self, more: MoreRuns) -> None:
        for pending, runs in zip(self._pending, more or [], strict=False):
            pending.extend(runs)

    def keep(self, checkpoints: list[Checkpoint]) -> None:
        """Passes runs on as they stand."""
        self.hooks.on_checkpoint(checkpoints)
        for checkpoint in checkpoints:
            self._kept_steps[checkpoint.run] = checkpoint.step

    def reject(self, worker: int, reason: str) -> None:
        """Takes all runs of a worker back, and has their group computed in the native form."""
        group = self._group[worker]
        self._pending[group].extendleft(reversed(self._release(worker)))
        if self._specs[group].form != "native":
            self._specs[group] = self._specs[group]._replace(form="native")
            self.hooks.on_fallback(group, reason)

    def lose(self, worker: int) -> Loss:
        """Takes the runs of a dead worker back.

        A run is given up once it has ended its worker twice, unless nothing of its group has ever
        got anywhere: that is not the run's fault.
        """
        group = self._group.get(worker)
        lost = self._release(worker)
        if group is None:
            return Loss(lost, None)
        self._losses.update(lost)
        suspects = [run for run in lost if self._losses[run] >= _LOSSES_OF_A_FAILED_RUN]
        others = [run for run in lost if run not in suspects]
        self._pending[group].extendleft(reversed(others))
        if len(suspects) == 1 and group in self._has_progressed:
            self._add(self.hooks.on_failure(suspects[0]))
            return Loss(lost, suspects[0])
        middle = (len(suspects) + 1) // 2
        # At the end, so that one half can prove itself before the other is divided again.
        self._suspects[group].extend(half for half in (suspects[:middle], suspects[middle:]) if half)
        return Loss(lost, None)

    def _release(self, worker: int) -> list[Run]:
        """Forgets a worker, and tells how many steps went with it."""
        lost = self._in_flight.pop(worker, [])
        self._group.pop(worker, None)
        self._isolated.discard(worker)
        kept = sum(self._kept_steps[run] - self._given_steps[run] for run in lost)
        self.hooks.on_loss(max(0, self._steps.pop(worker, 0) - kept))
        return lost
