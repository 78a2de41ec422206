"""Signals that ask a launch to end: it stores its unfinished runs, and says how to continue."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal has asked the launch to end; `stored` says what is stored, or nothing if no run had begun."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.stored = ""

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f"{name}: {self.stored}; the same call goes on" if self.stored else name


class SignalWatch:
    """Turns SIGINT, SIGTERM and SIGHUP into `Interrupted` while it is entered; does nothing outside the main thread.

    Inside `deferred` the first `signal` is only stored, and wakes whoever waits for `fileno`; the second raises.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._is_deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "SignalWatch":
        self._ends = os.pipe()
        for end in self._ends:
            os.set_blocking(end, False)
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for end in self._ends:
            os.close(end)

    def fileno(self) -> int:
        """Returns the end of a pipe that has something to read once a signal has come."""
        return self._ends[0]

    def drain(self) -> None:
        """Empties that pipe."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fileno(), 64)

    @contextlib.contextmanager
    def deferred(self, is_deferred: bool = True) -> Iterator[None]:
        """Notes the first signal instead of raising an exception, which other code may swallow."""
        before, self._is_deferred = self._is_deferred, is_deferred
        try:
            yield
        finally:
            self._is_deferred = before

    def at_once(self) -> contextlib.AbstractContextManager[None]:
        """Lets signals raise at once inside `deferred`: for what takes long and stores nothing."""
        self.check()
        return self.deferred(False)

    def check(self) -> None:
        """Raises `Interrupted` if a signal was noted."""
        if self.signal is not None:
            raise Interrupted(self.signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_first = self.signal is None
        self.signal = number
        if not (is_first and self._is_deferred):
            raise Interrupted(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._ends[1], b"!")
