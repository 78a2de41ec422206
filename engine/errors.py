"""Exceptions that the launcher knows, and how messages name, count and list things."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

_SHORTEST_BEGINNING = 3


class InputError(ValueError):
    """Says in one line that something given is not usable, and what would be."""


class StorageError(RuntimeError):
    """Says in one line that the disk is full or fails, and what to do. What was stored before is whole."""


class WorkerFailedError(RuntimeError):
    """Says that a worker raised an exception, or that workers die as fast as they are started."""


def unknown_name(
    kind: str, name: str, choices: Iterable[str], others: str = "", more_choices: Iterable[str] = ()
) -> InputError:
    """Makes the error for a name outside a set, with the nearest valid choice.

    Args:
        kind: what is named, such as `"model"`.
        others: what else can be given, in words.
        more_choices: names that are too many to be listed.
    """
    choices = sorted(choices)
    expected = ", ".join(choices) + (f", or {others}" if others else "")
    hint = did_you_mean(name, [*choices, *more_choices])
    return InputError(f"unknown {kind} {name!r}: expected one of {expected}{hint}")


def did_you_mean(name: str, choices: Iterable[str], ending: str = "", cutoff: float = 0.6) -> str:
    """Asks whether the nearest choice was meant, to follow a message; or says nothing.

    The nearest is one that differs in capitals only, else the shortest that begins with the name, else the likest.

    Args:
        ending: of all choices, which does not count.
        cutoff: likeness from 0 to 1 that is asked for, see `difflib.get_close_matches`.
    """
    choices, low = list(choices), name.lower()
    begun = [choice for choice in choices if len(low) >= _SHORTEST_BEGINNING and choice.lower().startswith(low)]
    likest = difflib.get_close_matches(name, choices, n=1, cutoff=cutoff)
    nearest = [choice for choice in choices if choice.lower() == low] or sorted(begun, key=len) or likest
    return f"; did you mean {nearest[0] + ending!r}?" if nearest else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Writes `1 run` and `1,203 runs`, or with two forms `1 run is` and `12 runs are`."""
    return f"{number:,} {agreeing(number, one, many)}"


def agreeing(number: int, one: str, many: str | None = None) -> str:
    """Returns the form that agrees with a number, by default `one` with an s for the other."""
    return one if number == 1 else many or f"{one}s"


def some_of(words: Sequence[str], most: int) -> str:
    """Lists the first of many words, and how many are left: `a, b and 3 more`."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def visible(text: str) -> str:
    """Replaces characters that would move a terminal's cursor or turn the line around; white space stays."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(c) and not c.isspace() else c for c in text)


def _is_hidden(character: str) -> bool:
    is_control = unicodedata.category(character) in ("Cc", "Cs")
    return is_control or unicodedata.bidirectional(character) in _TURNING


def told(error: Exception) -> str:
    """Returns the kind of an exception, and the first line of what it says."""
    return one_line(f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}")


def one_line(text: str) -> str:
    """Puts a text on one line, without the characters that `visible` replaces."""
    return visible(" ".join(text.split()))
