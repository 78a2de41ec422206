"""The name of a network that was given itself: a class, a function, a `partial`, or a Flax module made of a class."""

import ast
import dataclasses
import functools
import sys
from typing import Any

from ..errors import InputError, one_line

_OF_FLAX = ("parent", "name")


def reference_to(named: Any) -> tuple[str, tuple[str, ...]]:
    """Returns the reference to a class or function, and the arguments of a `partial` or a module made of dataclasses.

    Raises:
        InputError: nobody can import it again from its file, as workers and `verify` do.
    """
    owner, typed = named, {}
    if isinstance(named, functools.partial) and not named.args:
        owner, typed = named.func, named.keywords
    elif dataclasses.is_dataclass(named) and not isinstance(named, type):
        owner, typed = type(named), _set_fields(named)
    name, place = getattr(owner, "__qualname__", None), getattr(owner, "__module__", None)
    if name is None or place is None:
        raise InputError(f"model={_shown(named)}: expected a name, or a class or function of a file of yours")
    file = getattr(sys.modules.get(place), "__file__", None)
    last = name.rpartition(".")[2]
    if place == "__main__" or file is None or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"model={name}: workers, and `verify` later, import a network from its file, and this one is in "
            f"{'a function' if '<' in name else 'no file that can be imported'}: move it to the top of a file, "
            f"such as net.py, and give model='net.py:{last if last.isidentifier() else 'NAME'}'"
        )
    for key, value in typed.items():
        if not _is_literal(value):
            raise InputError(f"model={name}: its argument {key} is {_shown(value)}: expected a number, text, or None")
    return f"{place if '.' in place else file}:{name}", tuple(f"{key}={value!r}" for key, value in typed.items())


def _shown(value: Any) -> str:
    return one_line(repr(value))[:60]


def _set_fields(instance: Any) -> dict[str, Any]:
    """Returns what was given to a dataclass, as Flax's modules are, where it is not the default."""
    fields = [field for field in dataclasses.fields(instance) if field.init and field.name not in _OF_FLAX]
    values = {field.name: getattr(instance, field.name) for field in fields}
    return {field.name: values[field.name] for field in fields if values[field.name] is not field.default}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False
