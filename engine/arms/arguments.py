"""Arguments of the user's networks and optimisers, typed as name=value."""

import ast
import math
from collections.abc import Sequence
from typing import Any

from ..errors import InputError


def parse_args(texts: Sequence[str], flag: str) -> dict[str, Any]:
    """Parses `("depth=3",)`, typed for a flag, to `{"depth": 3}`: a Python literal, true, false, inf, or text.

    Raises InputError for another form, and for a name that is given twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or not name.isidentifier():
            raise InputError(f"{flag}={text!r}: expected name=value")
        if name in values:
            raise InputError(f"{flag}={text!r}: {name} is given twice")
        values[name] = _literal(value.strip())
    return values


def canonical_args(texts: Sequence[str], flag: str) -> tuple[str, ...]:
    """Returns arguments in the one form and order in which they are stored; raises as `parse_args`."""
    return tuple(f"{name}={value!r}" for name, value in sorted(parse_args(texts, flag).items()))


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "inf": math.inf, "-inf": -math.inf}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
