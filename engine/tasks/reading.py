"""What is said while data are read: a bar where it takes long, and notes on what was found."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from engine.errors import InputError, one_line

_MOST_LISTED = 5
_LONGEST_NAME = 100
_FORMAT = "{desc}: {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


def host_memory() -> int | None:
    """Bytes of the machine's or the control group's memory, whichever is less; or `None`."""
    sizes = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(sizes) if sizes else None


def check_memory(needed: int, words: str, advice: str = "") -> None:
    """Checks that data fit in the memory of the machine.

    Args:
        needed: bytes.
        words: what they are.
        advice: what to do where they do not.

    Raises:
        InputError: they do not.
    """
    limit = host_memory()
    if limit is not None and needed > limit:
        hint = f": {advice}" if advice else ""
        raise InputError(f"{words} need {needed / 1e9:,.1f} GB, and this machine has {limit / 1e9:,.1f}{hint}")


def counted(number: int, word: str) -> str:
    """`1 file`, `1,203 files`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


class Note(NamedTuple):
    """Something about the data that a person should know.

    Attributes:
        words: one line, without names of files, so that it can be stored.
        listed: what it is about, by name.
        is_caution: whether something is left out or changed, so that a report must say it too.
    """

    words: str
    listed: tuple[str, ...] = ()
    is_caution: bool = False

    @property
    def line(self) -> str:
        """The words with the first few names."""
        if not self.listed:
            return one_line(self.words)
        first = [name[:_LONGEST_NAME] for name in self.listed[:_MOST_LISTED]]
        more = len(self.listed) - len(first)
        first += [f"and {more} more"] if more else []
        return one_line(f"{self.words}: {', '.join(first)}")


class Reading:
    """What one reading of data leaves to be said.

    Args:
        is_shown: whether a bar may be drawn.

    Attributes:
        notes: in the order in which they came up.
    """

    def __init__(self, is_shown: bool = False) -> None:
        self._is_shown = is_shown
        self.notes: list[Note] = []

    def tell(self, words: str) -> None:
        """Notes what was found or guessed."""
        self.notes.append(Note(words))

    def caution(self, words: str, listed: Sequence[str] = ()) -> None:
        """Notes what is left out or changed, with the names of all that are concerned."""
        self.notes.append(Note(words, tuple(listed), is_caution=True))

    def bar(self, total: int, words: str, is_bytes: bool = False) -> "tqdm":
        """A progress bar on stderr, drawn once it has taken a second.

        Args:
            total: steps, or bytes.
            words: what is being done.
            is_bytes: whether bytes are counted.
        """
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
