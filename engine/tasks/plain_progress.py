"""Progress in plain lines, for a log: where standard error is no terminal, a bar that moves would fill it."""

import sys
import time
from collections.abc import Callable

_SECONDS_BETWEEN = 30.0


class PlainProgress:
    """Prints a line after `delay` seconds, one every half minute, and one at the end if any was printed."""

    def __init__(self, total: int, words: Callable[[], str], delay: float = 0.0) -> None:
        self.total, self._words = total, words
        self._done, self._has_said = 0, False
        self._began = time.monotonic()
        self._next = self._began + delay
        self._say_when_due()

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def update(self, number: int = 1) -> None:
        """Adds steps that were taken, and prints a line if it is time for one."""
        self._done += number
        self._say_when_due()

    def close(self) -> None:
        """Prints the last line."""
        if self._has_said:
            self._say()

    def _say_when_due(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN
            self._has_said = True
            self._say()

    def _say(self) -> None:
        seconds = time.monotonic() - self._began
        share = self._done / self.total if self.total else 1.0
        left = f", about {_clock(seconds / share - seconds)} left" if 0 < share < 1 else ""
        print(f"{100 * share:3.0f} %  {self._words()} [{_clock(seconds)}{left}]", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
