"""What reading data tells a person: a bar where it takes long, and notes on what was found."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ..errors import InputError, one_line
from .plain_progress import PlainProgress

_MOST_LISTED = 5
_LONGEST_NAME = 100
_LONGEST_REASON = 80
_FORMAT = "{desc}: {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


def host_memory() -> int | None:
    """Returns the bytes of the machine's or the control group's memory, whichever is less; `None` if unknown."""
    sizes = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(sizes) if sizes else None


def check_memory(needed: int, words: str, advice: str = "") -> None:
    """Raises InputError where data (`words`) need more bytes than the machine has; `advice` says what to do then."""
    limit = host_memory()
    if limit is not None and needed > limit:
        hint = f": {advice}" if advice else ""
        raise InputError(f"{words} need {needed / 1e9:,.1f} GB, and this machine has {limit / 1e9:,.1f}{hint}")


def reason_of(error: Exception) -> str:
    """Returns the reason that a system or a library gives, on one line."""
    return one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)[:_LONGEST_REASON]


class Note(NamedTuple):
    """A line about the data, without file names; `listed` names what it is about.

    `is_caution`: something is left out or changed, so that a report must say it too.
    """

    words: str
    listed: tuple[str, ...] = ()
    is_caution: bool = False

    @property
    def line(self) -> str:
        """Returns the words with the first few names."""
        if not self.listed:
            return one_line(self.words)
        first = [name[:_LONGEST_NAME] for name in self.listed[:_MOST_LISTED]]
        more = len(self.listed) - len(first)
        return one_line(f"{self.words}: {', '.join([*first, *([f'and {more} more'] if more else [])])}")


class Reading:
    """Collects notes while data are read, and draws bars where `is_shown`."""

    def __init__(self, is_shown: bool = False) -> None:
        self._is_shown = is_shown
        self.notes: list[Note] = []

    def tell(self, words: str) -> None:
        """Adds a note on what was found or guessed."""
        self.notes.append(Note(words))

    def caution(self, words: str, listed: Sequence[str] = ()) -> None:
        """Adds a note on what is left out or changed, with its names."""
        self.notes.append(Note(words, tuple(listed), is_caution=True))

    def bar(self, total: int, words: str, is_bytes: bool = False) -> "tqdm | PlainProgress":
        """Returns progress on stderr that appears after a second: of steps, or bytes where `is_bytes`.

        It is a bar in a terminal, else plain lines.
        """
        if self._is_shown and not sys.stderr.isatty():
            return PlainProgress(total, lambda: words, delay=1.0)
        return tqdm(
            total=total,
            desc=words,
            disable=not self._is_shown,
            delay=1.0,
            file=sys.stderr,
            bar_format=_FORMAT,
            dynamic_ncols=True,
            unit_scale=is_bytes,
            leave=False,
        )
