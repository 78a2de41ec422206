"""Exceptions that the launcher knows."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something that was given is not usable; the message is one line that says what would be."""


class WorkerFailedError(RuntimeError):
    """A worker raised an exception, or workers die as fast as they are started."""


class StorageError(RuntimeError):
    """Something cannot be written; what was stored before is intact."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """An `InputError` for a name outside a closed set, with the nearest valid choice.

    Args:
        kind: what is being named, e.g. `"model"`.
        name: what was given.
        choices: every valid name.
    """
    choices = sorted(choices)
    nearest = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return InputError(f"unknown {kind} {name!r}: expected one of {', '.join(choices)}{hint}")
