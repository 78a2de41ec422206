"""What workers and their parent say to each other. Every message is a type, and is handled by its type."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..lanes.checkpoint import Checkpoint
from ..lanes.runs import Run
from ..lanes.spec import PoolSpec


class Pull(NamedTuple):
    """A worker asks for runs; the answer is an `Assignment`, or `None` if nothing is left for it."""

    num_free: int
    num_busy: int


class Assignment(NamedTuple):
    """Runs of a group for a worker, possibly none; with the spec if the worker needs a new pool."""

    group: int
    spec: PoolSpec | None
    runs: list[Run]
    checkpoints: dict[Run, Checkpoint]


class CompletedRun(NamedTuple):
    """A run that is over, its row, and its weights where they are kept."""

    run: Run
    row: dict[str, Any]
    weights: dict[str, np.ndarray] | None = None

    @property
    def num_steps(self) -> int:
        """Steps that it took."""
        return len(self.row["batch_loss"])


class Delivery(NamedTuple):
    """What a chunk brought: steps, summed over lanes, and runs that are over."""

    seed_steps: int
    completed: list[CompletedRun]


class Keep(NamedTuple):
    """Unfinished runs as they stand."""

    checkpoints: list[Checkpoint]


class Reject(NamedTuple):
    """The worker gives all its runs back, because the form of their network gives wrong numbers."""

    reason: str


class Note(NamedTuple):
    """A line for the person who watches."""

    line: str


class Alive(NamedTuple):
    """A process gives a sign of life."""


class Done(NamedTuple):
    """A process has done its work; `result` is what a call returned."""

    result: Any


class Refused(NamedTuple):
    """A process got input that is not usable."""

    reason: str


class Failed(NamedTuple):
    """A process raised an exception."""

    traceback: str


class Stop(NamedTuple):
    """The parent asks a worker to hand in its unfinished runs, and to end."""


# What the scheduler handles.
Report = Delivery | Keep | Reject | Note


class Source(NamedTuple):
    """Where a worker gets its runs from, given the numbers of free and busy lanes, and where it delivers them.

    `pull` returns `None` if nothing is left; `is_stopping` tells whether to hand in unfinished runs and end.
    """

    pull: Callable[[int, int], Assignment | None]
    send: Callable[[Report], None]
    is_stopping: Callable[[], bool]


# Further runs of each group, or nothing.
MoreRuns = Sequence[Sequence[Run]] | None


def _nothing(*arguments: object) -> None:
    return None


class Hooks(NamedTuple):
    """What the parent does on a worker's reports; `on_delivery` and `on_failure` return runs to do in addition.

    `on_fallback` gets a program and why it falls back to the native form, `on_loss` the number of steps to repeat.
    """

    on_delivery: Callable[[Delivery], MoreRuns]
    on_fallback: Callable[[int, str], None] = _nothing
    on_checkpoint: Callable[[list[Checkpoint]], None] = _nothing
    find_checkpoint: Callable[[Run], Checkpoint | None] = _nothing
    on_loss: Callable[[int], None] = _nothing
    on_failure: Callable[[Run], MoreRuns] = _nothing
    notify: Callable[[str], None] = _nothing
