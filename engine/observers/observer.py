"""What the recorder tells of, and to whom."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from engine.errors import one_line

Row = Mapping[str, Any]


class Standing(NamedTuple):
    """How far a launch is.

    Attributes:
        num_over: runs of the study that are over, those of earlier launches among them.
        num_runs: runs of the study, as far as they are planned.
        steps_done: share of the steps of this launch that are behind it.
    """

    num_over: int
    num_runs: int
    steps_done: float


class Observer(Protocol):
    """Something that is told what comes of a launch."""

    def on_rows(self, rows: Sequence[Row], standing: Standing) -> None:
        """Takes the rows of the runs that are over since the last call; often none."""

    def on_end(self) -> None:
        """The launch is over, however it ended."""


class _Guarded:
    """An observer whose failure is said once and ends nothing."""

    def __init__(self, name: str, observer: Observer, notify: Callable[[str], None]) -> None:
        self._name, self._notify = name, notify
        self._observer: Observer | None = observer

    def on_rows(self, rows: Sequence[Row], standing: Standing) -> None:
        if self._observer is not None:
            self.call(self._observer.on_rows, rows, standing)

    def on_end(self) -> None:
        if self._observer is not None:
            self.call(self._observer.on_end)

    def call(self, call: Callable[..., None], *arguments: Any) -> None:
        """Calls something; where it fails, that is said, and the observer is let go."""
        try:
            call(*arguments)
        except Exception as error:
            reason = one_line(str(error)) or type(error).__name__
            self._notify(f"{self._name} goes no further ({reason}); the training is not touched by that")
            failed, self._observer = self._observer, None
            if failed is not None and call != failed.on_end:
                self._close(failed)

    def _close(self, failed: Observer) -> None:
        """Lets go of what a failed observer holds."""
        try:
            failed.on_end()
        except Exception:
            return


def guarded(
    name: str, observer: Observer, notify: Callable[[str], None], begin: Callable[[], None] | None = None
) -> Observer:
    """An observer whose first failure is said in a line and ends it, and nothing else.

    Args:
        name: what the line calls it.
        observer: that may fail.
        notify: called with the line.
        begin: called at once, where there is something to do beforehand that may fail too.
    """
    found = _Guarded(name, observer, notify)
    if begin is not None:
        found.call(begin)
    return found


class Pace:
    """Says when something expensive is due, so that it takes a bounded share of the time.

    Args:
        every: seconds between two times, at least.
        share: largest part of the time that it may take.
    """

    def __init__(self, every: float, share: float) -> None:
        self._every, self._share = every, share
        self._due = time.monotonic()
        self.interval = every

    def is_due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    def restart(self, cost: float) -> None:
        """Notes that it has been done.

        Args:
            cost: seconds that it took.
        """
        self.interval = max(self._every, cost / self._share)
        self._due = time.monotonic() + self.interval
