"""What workers and their parent say to each other. Every message is a type, and is handled by its type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from engine.lanes.checkpoint import Checkpoint
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec


@dataclass(frozen=True)
class Pull:
    """A worker asks for runs; the answer is an `Assignment`, or `None` if nothing is left for it."""

    num_free: int
    num_busy: int


@dataclass(frozen=True)
class Assignment:
    """Runs for a worker, possibly none.

    Attributes:
        group: index of the pool that the runs belong to.
        spec: of this pool, if the worker needs a new one.
        checkpoints: of those runs that do not start anew.
    """

    group: int
    spec: PoolSpec | None
    runs: list[Run]
    checkpoints: dict[Run, Checkpoint]


class CompletedRun(NamedTuple):
    """A run that is over, and its row."""

    run: Run
    row: dict[str, Any]

    @property
    def num_steps(self) -> int:
        """Steps that it took."""
        return len(self.row["batch_loss"])


@dataclass(frozen=True)
class Delivery:
    """What a chunk brought: steps, summed over lanes, and runs that are over."""

    seed_steps: int
    completed: list[CompletedRun]


@dataclass(frozen=True)
class Keep:
    """Unfinished runs as they stand."""

    checkpoints: list[Checkpoint]


@dataclass(frozen=True)
class Reject:
    """The worker gives all its runs back, because the form of their network gives wrong numbers."""

    reason: str


@dataclass(frozen=True)
class Note:
    """A line for the person who watches."""

    line: str


@dataclass(frozen=True)
class Alive:
    """A process gives a sign of life."""


@dataclass(frozen=True)
class Done:
    """A process has done its work; `result` is what a call returned."""

    result: Any


@dataclass(frozen=True)
class Refused:
    """A process got input that is not usable."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """A process raised an exception."""

    traceback: str


@dataclass(frozen=True)
class Stop:
    """The parent asks a worker to hand in its unfinished runs, and to end."""


# What the scheduler handles.
Report = Delivery | Keep | Reject | Note


class Source(Protocol):
    """Where a worker gets its runs from, and where it delivers them."""

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        """Returns runs for free lanes, possibly none; `None` when nothing is left for this worker."""

    def send(self, report: Report) -> None:
        """Takes a report."""

    def is_stopping(self) -> bool:
        """Tells whether to hand in unfinished runs and end."""


# Further runs of each group, or nothing.
MoreRuns = Sequence[Sequence[Run]] | None


def _nothing(*arguments: object) -> None:
    return None


class Hooks(NamedTuple):
    """What the parent does when something happens.

    Attributes:
        on_delivery: gets what each chunk brought; returns runs to do besides.
        on_fallback: gets a group and the reason when it falls back to the native form.
        on_checkpoint: gets unfinished runs as they stand.
        find_checkpoint: returns the last checkpoint of a run, or `None`.
        on_loss: gets the number of steps that have to be done again.
        on_failure: gets a run that ended its worker twice; returns as `on_delivery`.
        notify: gets a line for the person who watches.
    """

    on_delivery: Callable[[Delivery], MoreRuns]
    on_fallback: Callable[[int, str], None] = _nothing
    on_checkpoint: Callable[[list[Checkpoint]], None] = _nothing
    find_checkpoint: Callable[[Run], Checkpoint | None] = _nothing
    on_loss: Callable[[int], None] = _nothing
    on_failure: Callable[[Run], MoreRuns] = _nothing
    notify: Callable[[str], None] = _nothing
