"""What workers and the process that plans and writes say to each other."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from engine.lanes.lane import PoolSpec
from engine.lanes.runs import Checkpoint, FinishedRun, Run


class Assignment(NamedTuple):
    """Runs for a worker.

    Attributes:
        group: of the runs.
        spec: where they need a new pool, else `None`.
        runs: to be done.
        checkpoints: of those among them that go on where they were.
    """

    group: int
    spec: PoolSpec | None
    runs: list[Run]
    checkpoints: dict[Run, Checkpoint]


class Delivery(NamedTuple):
    """What a worker reports after a chunk."""

    seed_steps: int
    finished: list[FinishedRun]


class Source(Protocol):
    """Where a worker gets its runs from, and where it delivers them."""

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        """Runs for free lanes, possibly none; `None` when there is nothing left for this worker."""

    def deliver(self, delivery: Delivery) -> None:
        """Takes what a chunk brought."""

    def keep(self, checkpoints: list[Checkpoint]) -> None:
        """Takes runs as they stand."""

    def reject(self, reason: str) -> None:
        """Gives back all runs, because the form of their network is not to be trusted."""

    def note(self, line: str) -> None:
        """Says something noteworthy."""

    def is_stopping(self) -> bool:
        """Whether to hand in what is under way, and end."""


MoreRuns = Sequence[Sequence[Run]] | None


def _nothing(*arguments: object) -> None:
    return None


class Hooks(NamedTuple):
    """What is called, in the process that plans and writes, when something happens.

    Attributes:
        on_delivery: with what each chunk brought; returns the runs of each group that are to be
            done besides, or nothing.
        on_fallback: with a group and the reason when it falls back to the native form.
        on_checkpoint: with runs as they stand.
        find_checkpoint: the last one of a run, or `None`.
        on_loss: with the steps that have to be done again.
        on_failure: with a run that has ended its worker twice; returns as `on_delivery` does.
        notify: with a line when something noteworthy happens.
    """

    on_delivery: Callable[[Delivery], MoreRuns]
    on_fallback: Callable[[int, str], None] = _nothing
    on_checkpoint: Callable[[list[Checkpoint]], None] = _nothing
    find_checkpoint: Callable[[Run], Checkpoint | None] = _nothing
    on_loss: Callable[[int], None] = _nothing
    on_failure: Callable[[Run], MoreRuns] = _nothing
    notify: Callable[[str], None] = _nothing
