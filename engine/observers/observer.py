"""What an observer is told, and how its failures and its costs are kept from the training."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ..errors import one_line
from ..store import Row


class StudyProgress(NamedTuple):
    """How far a study is: runs that are over and planned, and the share of this launch's steps that are done."""

    num_over: int
    num_runs: int
    steps_done: float


class Observer(Protocol):
    """Something that follows a launch."""

    def on_rows(self, rows: Sequence[Row], progress: StudyProgress) -> None:
        """Takes the rows of the runs that have ended since the last call; often there are none."""

    def on_end(self) -> None:
        """Takes note that the launch is over, however it ended."""


class GuardedObserver:
    """An observer whose first failure, of `begin` too, is told in a line and ends the observer, and nothing else."""

    def __init__(
        self, name: str, observer: Observer, notify: Callable[[str], None], begin: Callable[[], None] | None = None
    ) -> None:
        self._name, self._notify = name, notify
        self._observer: Observer | None = observer
        if begin is not None:
            self._call(begin)

    def on_rows(self, rows: Sequence[Row], progress: StudyProgress) -> None:
        """Passes rows on."""
        if self._observer is not None:
            self._call(self._observer.on_rows, rows, progress)

    def on_end(self) -> None:
        """Passes the end on."""
        if self._observer is not None:
            self._call(self._observer.on_end)

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        try:
            method(*arguments)
        except Exception as error:
            reason = one_line(str(error)) or type(error).__name__
            self._notify(f"{self._name} goes no further ({reason}); the training is not touched by that")
            failed, self._observer = self._observer, None
            if failed is not None and method != failed.on_end:
                with contextlib.suppress(Exception):
                    failed.on_end()


class Pace:
    """Says when something expensive is due: at most once in `every` seconds, and for a `share` of the time."""

    def __init__(self, every: float, share: float) -> None:
        self._every, self._share = every, share
        self._due = time.monotonic()
        self.interval = every

    def is_due(self) -> bool:
        """Tells whether it is time."""
        return time.monotonic() >= self._due

    def restart(self, cost: float) -> None:
        """Takes note that it was done and took `cost` seconds."""
        self.interval = max(self._every, cost / self._share)
        self._due = time.monotonic() + self.interval
