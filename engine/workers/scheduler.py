"""Hands out the runs of a study to workers, group by group."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import WorkerFailedError
from ..lanes.runs import Run
from ..lanes.spec import PoolSpec
from .messages import Assignment, Delivery, Hooks, Keep, MoreRuns, Note, Reject, Report

_LOSSES_OF_A_SUSPECT = 2
# By chance a machine ends a worker at the same step as before, but hardly twice in a row.
_LOSSES_AT_ONE_STEP = 3
# More runs than these, given up one after another while none ends, are not to blame.
_MOST_IN_A_ROW = 2


@dataclass
class _Group:
    """The waiting runs of one pool; suspects are in the batches in which they are tried again."""

    spec: PoolSpec
    pending: deque[Run]
    suspects: deque[list[Run]] = field(default_factory=deque)
    has_progressed: bool = False

    @property
    def num_waiting(self) -> int:
        return len(self.pending) + sum(map(len, self.suspects))


@dataclass
class _Duty:
    """A worker's unfinished runs, with their steps."""

    group: int
    runs: list[Run] = field(default_factory=list)
    is_isolated: bool = False
    steps: int = 0


class Scheduler:
    """Hands out runs, and takes back their results.

    A run that has lost its worker twice becomes a suspect: suspects are tried apart, half of them at a time. One that
    has lost it alone, three times in a row at the same step, is given up. What a machine ends gets farther at times.
    """

    def __init__(self, specs: Sequence[PoolSpec], pending: Sequence[Sequence[Run]], hooks: Hooks) -> None:
        self.hooks = hooks
        self._groups = [_Group(spec, deque(runs)) for spec, runs in zip(specs, pending, strict=True)]
        self._duties: dict[int, _Duty] = {}
        self._losses: Counter[Run] = Counter()
        # Of every run in flight, the step from which it was handed out, and that of its last checkpoint.
        self._given_steps: dict[Run, int] = {}
        self._kept_steps: dict[Run, int] = {}
        # Of runs that were alone in a worker that ended: the step that they had reached, and how often in a row.
        self._ended_alone: dict[Run, tuple[int, int]] = {}
        self._num_given_up_in_a_row = 0
        self._has_begun = False
        self._is_stopped = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is pending or in flight."""
        has_waiting = any(group.num_waiting for group in self._groups)
        return not has_waiting and not any(duty.runs for duty in self._duties.values())

    def has_pending(self) -> bool:
        """Tells whether a new worker would find something to do."""
        return not self._is_stopped and any(group.num_waiting for group in self._groups)

    def stop(self) -> None:
        """Hands out nothing any more."""
        self._is_stopped = True

    def assign(self, worker: int, num_free: int, num_busy: int) -> Assignment | None:
        """Returns runs for a worker: of its own group, or of another one when its lanes are empty."""
        if self._is_stopped:
            return None
        duty = self._duties.get(worker)
        if duty is not None:
            group, nothing = self._groups[duty.group], Assignment(duty.group, None, [], {})
            # All lanes of a stream start together.
            if num_busy and (duty.is_isolated or group.spec.arm.stream):
                return nothing
            duty.is_isolated = False
            if group.suspects and num_free and not num_busy:
                return self._hand_out(duty, self._take_suspects(duty))
            if group.pending:
                return self._hand_out(duty, self._take(duty.group, num_free))
            if num_busy:
                return nothing
        elif num_busy:
            return None
        return self._change_group(worker)

    def _change_group(self, worker: int) -> Assignment | None:
        chosen = self._choose_group()
        if chosen is None:
            self._duties.pop(worker, None)
            return None
        duty, group = self._duties.setdefault(worker, _Duty(chosen)), self._groups[chosen]
        duty.group = chosen
        runs = self._take_suspects(duty) if group.suspects else self._take(chosen, group.spec.width)
        return self._hand_out(duty, runs, group.spec)

    def _choose_group(self) -> int | None:
        """Chooses the group with most waiting runs among those that the fewest workers serve.

        Before anything runs, among those that most workers serve: they compile one program together.
        """
        serving = Counter(duty.group for duty in self._duties.values())
        sign = 1 if self._has_begun else -1
        sizes = {i: group.num_waiting for i, group in enumerate(self._groups) if group.num_waiting}
        return min(sizes, key=lambda i: (sign * serving[i], -sizes[i]), default=None)

    def _take(self, group: int, num: int) -> list[Run]:
        pending = self._groups[group].pending
        taken = [pending.popleft() for _ in range(min(num, len(pending)))]
        together, others = self._at_one_step(group, taken)
        pending.extendleft(reversed(others))
        return together

    def _take_suspects(self, duty: _Duty) -> list[Run]:
        duty.is_isolated = True
        suspects = self._groups[duty.group].suspects
        together, others = self._at_one_step(duty.group, suspects.popleft())
        if others:
            suspects.appendleft(others)
        return together

    def _at_one_step(self, group: int, runs: list[Run]) -> tuple[list[Run], list[Run]]:
        """Splits runs into those at one step, which can share a worker with a stream, and the others."""
        if not self._groups[group].spec.arm.stream or len(runs) < 2:
            return runs, []
        steps = {run: kept.step if (kept := self.hooks.find_checkpoint(run)) else 0 for run in runs}
        first = steps[runs[0]]
        return [run for run in runs if steps[run] == first], [run for run in runs if steps[run] != first]

    def _hand_out(self, duty: _Duty, runs: list[Run], spec: PoolSpec | None = None) -> Assignment:
        duty.runs.extend(runs)
        checkpoints = {run: kept for run in runs if (kept := self.hooks.find_checkpoint(run)) is not None}
        for run in runs:
            self._given_steps[run] = self._kept_steps[run] = checkpoints[run].step if run in checkpoints else 0
        return Assignment(duty.group, spec, runs, checkpoints)

    def handle(self, worker: int, report: Report) -> None:
        """Handles what a worker reports."""
        match report:
            case Delivery():
                self.deliver(worker, report)
            case Keep(checkpoints):
                self.hooks.on_checkpoint(checkpoints)
                self._kept_steps.update({checkpoint.run: checkpoint.step for checkpoint in checkpoints})
            case Reject(reason):
                self._reject(worker, reason)
            case Note(line):
                self.hooks.notify(line)

    def deliver(self, worker: int, delivery: Delivery) -> None:
        """Notes which runs are over, and passes their rows on."""
        self._has_begun = True
        duty = self._duties[worker]
        duty.steps += delivery.seed_steps
        self._groups[duty.group].has_progressed |= delivery.seed_steps > 0
        for completed in delivery.completed:
            run = completed.run
            duty.runs.remove(run)
            duty.steps -= completed.num_steps - self._given_steps.pop(run)
            del self._kept_steps[run]
            self._losses.pop(run, None)
            self._ended_alone.pop(run, None)
            self._num_given_up_in_a_row = 0
        self._add(self.hooks.on_delivery(delivery))

    def _add(self, more: MoreRuns) -> None:
        for group, runs in zip(self._groups, more or [], strict=False):
            group.pending.extend(runs)

    def _reject(self, worker: int, reason: str) -> None:
        """Takes all runs of a worker back; their group is computed in the native form from now on."""
        index = self._duties[worker].group
        group = self._groups[index]
        group.pending.extendleft(reversed(self._release(worker)))
        if group.spec.form != "native":
            group.spec = group.spec._replace(form="native")
            self.hooks.on_fallback(index, reason)

    def lose(self, worker: int, is_of_runs: bool = True) -> tuple[list[Run], Run | None]:
        """Takes back the runs of a dead worker, and gives up a run that ends them by itself.

        If no run of its group has ever taken a step, the run is not to blame, and none is where the end is not
        `is_of_runs`. Returns the lost runs and the one that is given up. Raises `WorkerFailedError` where one run after
        another would be, and none ends in between.
        """
        duty = self._duties.get(worker)
        is_culprit = duty is not None and is_of_runs and self._ends_its_worker(duty)
        lost = self._release(worker)
        if duty is None:
            return lost, None
        group = self._groups[duty.group]
        if not is_of_runs:
            if duty.is_isolated and lost:
                group.suspects.appendleft(lost)
            else:
                group.pending.extendleft(reversed(lost))
            return lost, None
        self._losses.update(lost)
        suspects = [run for run in lost if self._losses[run] >= _LOSSES_OF_A_SUSPECT]
        group.pending.extendleft(reversed([run for run in lost if run not in suspects]))
        if is_culprit and len(suspects) == 1 and group.has_progressed:
            self._num_given_up_in_a_row += 1
            if self._num_given_up_in_a_row > _MOST_IN_A_ROW:
                raise WorkerFailedError(
                    f"one run after another ends its worker, {_MOST_IN_A_ROW + 1} by now, and none comes to its end in "
                    f"between: that is rather the machine (memory, a limit on time) than the runs. No more of them are "
                    f"marked as failed; everything finished so far is stored, and the same command goes on"
                )
            self._add(self.hooks.on_failure(suspects[0]))
            return lost, suspects[0]
        middle = (len(suspects) + 1) // 2
        # At the end, so that one half can prove itself before the other is divided again.
        group.suspects.extend(half for half in (suspects[:middle], suspects[middle:]) if half)
        return lost, None

    def _ends_its_worker(self, duty: _Duty) -> bool:
        """Notes how far a run had come that was alone in a worker, and tells whether that has happened often enough."""
        if len(duty.runs) != 1:
            return False
        (run,) = duty.runs
        step, (before, count) = self._given_steps[run] + duty.steps, self._ended_alone.get(run, (-1, 0))
        count = count + 1 if step == before else 1
        self._ended_alone[run] = step, count
        return count >= _LOSSES_AT_ONE_STEP

    def _release(self, worker: int) -> list[Run]:
        duty = self._duties.pop(worker, _Duty(0))
        kept = sum(self._kept_steps[run] - self._given_steps[run] for run in duty.runs)
        self.hooks.on_loss(max(0, duty.steps - kept))
        return duty.runs
