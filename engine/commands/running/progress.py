"""The progress of a running study: a bar in a terminal, else plain lines."""

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from ...errors import counted
from ...outcomes import FAILED
from ...tasks.plain_progress import PlainProgress

_SECONDS_IN_A_TERMINAL, _SECONDS_IN_A_LOG = 0.2, 4.0
_FORMAT = "{percentage:3.0f}%|{bar:24}| {desc} [{elapsed}<{remaining}{postfix}]"


def note(line: str) -> None:
    """Prints a note on standard error, above the bar if one is drawn."""
    tqdm.write(f"note: {line}", file=sys.stderr)


@contextlib.contextmanager
def waiting(words: str, is_shown: bool = True) -> Iterator[None]:
    """Says what is waited for: in a terminal at once, with a clock that moves, in a log once after four."""
    is_over = threading.Event()
    clock = threading.Thread(target=_show_clock, args=(words, is_over), daemon=True)
    if is_shown:
        clock.start()
    try:
        yield
    finally:
        is_over.set()
        if is_shown:
            clock.join()


def _show_clock(words: str, is_over: threading.Event) -> None:
    is_terminal = sys.stderr.isatty()
    began, delay = time.monotonic(), _SECONDS_IN_A_TERMINAL if is_terminal else _SECONDS_IN_A_LOG
    if is_over.wait(delay):
        return
    if not is_terminal:
        print(words, file=sys.stderr, flush=True)
        return
    with tqdm(bar_format="{desc}", file=sys.stderr, leave=False) as line:
        while True:
            line.set_description_str(f"{words} … {time.monotonic() - began:.0f} s")
            if is_over.wait(1.0):
                return


class ProgressBar:
    """Shows the steps of all runs still to be done, with the number of finished runs by status."""

    def __init__(self, num_runs: int = 0, num_steps: int = 0, is_shown: bool = False) -> None:
        self._num_runs = num_runs
        self._statuses: Counter[str] = Counter()
        self._has_begun = False
        is_terminal = is_shown and sys.stderr.isatty()
        self._plain = PlainProgress(num_steps, self._words) if is_shown and not is_terminal else None
        self._bar = tqdm(
            total=num_steps, disable=not is_terminal, file=sys.stderr, bar_format=_FORMAT,
            smoothing=0.05, dynamic_ncols=True,
        )  # fmt: skip
        self._describe()
        self._is_over = threading.Event()
        if is_terminal:
            threading.Thread(target=self._move_clock, daemon=True).start()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._bar.close()
        if self._plain is not None:
            self._plain.close()

    def note(self, line: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(line, file=sys.stderr)

    def extend(self, num_runs: int, num_steps: int) -> None:
        """Adds runs, or steps that have to be done again."""
        self._num_runs += num_runs
        self._add_to_total(num_steps)

    def update(self, num_steps: int, statuses: Iterable[str], num_skipped: int) -> None:
        """Adds steps that were taken, the statuses of finished runs, and the steps these left out."""
        if not self._has_begun:
            self._has_begun = True
            self._bar.unpause()  # compilation says nothing about the time that is left
        self._statuses.update(statuses)
        self._add_to_total(-num_skipped)
        self._describe()
        self._bar.update(num_steps)
        if self._plain is not None:
            self._plain.update(num_steps)

    def _add_to_total(self, num_steps: int) -> None:
        self._bar.total += num_steps
        if self._plain is not None:
            self._plain.total += num_steps

    def _move_clock(self) -> None:
        while not self._is_over.wait(1.0):
            self._bar.refresh()

    def _words(self) -> str:
        counts = self._statuses
        learned = counts["no_plateau"] + counts["shoulder"]
        text = f"{counts.total()}/{counted(self._num_runs, 'run')}: "
        if not self._has_begun:
            return f"{text}compiling"
        text += f"{counts['broke']} broke, "
        text += f"{learned} with little or no plateau, " if learned else ""
        text += f"{counts['stuck']} stuck, {counts['diverged']} diverged"
        return text + (f", {counts[FAILED]} failed" if counts[FAILED] else "")

    def _describe(self) -> None:
        self._bar.set_description_str(self._words(), refresh=False)
        rate = self._bar.format_dict.get("rate")
        if rate:
            self._bar.set_postfix_str(f"{rate:.0f} steps/s", refresh=False)
