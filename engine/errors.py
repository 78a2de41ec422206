"""Exceptions that the launcher knows."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Something that was given is not usable; the message is one line that says what would be."""


class StorageError(RuntimeError):
    """The disk is full, cannot be written or fails; the message is one line that says what to do.

    Whatever was stored before is whole, and nothing is half-written.
    """


class WorkerFailedError(RuntimeError):
    """A worker raised an exception, or workers die as fast as they are started."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """An `InputError` for a name outside a closed set, with the nearest valid choice.

    Args:
        kind: what is being named, e.g. `"model"`.
        name: what was given.
        choices: every valid name.
    """
    choices = sorted(choices)
    hint = did_you_mean(name, choices)
    return InputError(f"unknown {kind} {name!r}: expected one of {', '.join(choices)}{hint}")


def did_you_mean(name: str, choices: Iterable[str], ending: str = "", cutoff: float = 0.5) -> str:
    """The question whether the nearest choice was meant, to follow a message; or nothing.

    Args:
        name: what was given.
        choices: every valid name.
        ending: of all of them, which does not count.
        cutoff: likeness from 0 to 1 that is asked for, see `difflib.get_close_matches`.
    """
    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=cutoff)
    return f"; did you mean {nearest[0] + ending!r}?" if nearest else ""


def some_of(words: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: the first of many words, and how many are left."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def visible(text: str) -> str:
    """The text without characters that move a terminal's cursor or turn the line around.

    Args:
        text: with names that may come from strangers; its white space is left as it is.
    """
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(c) and not c.isspace() else c for c in text)


def _is_hidden(character: str) -> bool:
    is_control = unicodedata.category(character) in ("Cc", "Cs")
    return is_control or unicodedata.bidirectional(character) in _TURNING


def one_line(text: str) -> str:
    """The text in one line, without characters that do something to it, see `visible`."""
    return visible(" ".join(text.split()))
