"""The kinds of choices that an arm makes, and the options that each choice owns.

A choice is one module with `OPTIONS`, a tuple of `Option`, and one line in the table of its kind.
"""

import functools
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from engine.arms.options import Option
from engine.registry import Registry
from engine.user_code import is_reference

# Where the table of each kind is. What a kind needs is imported when something of it is asked for.
_TABLES = {
    "dataset": "engine.tasks.registry:TASKS",
    "model": "engine.models.registry:MODELS",
    "init": "engine.models.registry:SCHEMES",
    "optimizer": "engine.training.registry:OPTIMIZERS",
    "schedule": "engine.training.registry:SCHEDULES",
}
KINDS = tuple(_TABLES)


def table_of(kind: str) -> Registry:
    """Returns the table with the names of a kind's choices."""
    module, _, name = _TABLES[kind].partition(":")
    table: Registry = getattr(importlib.import_module(module), name)
    return table


def options_of(kind: str, name: str) -> dict[str, Option]:
    """Returns the options that a choice owns, by name; the user's own network has none.

    Raises:
        InputError: there is no such choice; the message has the nearest one.
    """
    if kind == "model" and is_reference(name):
        return {}
    return _declared(table_of(kind).load(name))


def _declared(choice: ModuleType) -> dict[str, Option]:
    return {option.name: option for option in choice.OPTIONS}


def _choices() -> Iterator[tuple[str, Any]]:
    """Kind and module of every choice that there is."""
    for kind in KINDS:
        table = table_of(kind)
        yield from ((kind, module) for module in table.load_all())


def kinds_of(option: str) -> list[str]:
    """Returns the kinds of which some choice owns an option of that name."""
    return list(dict.fromkeys(kind for kind, module in _choices() if option in _declared(module)))


def all_options() -> dict[str, Option]:
    """Returns one declaration of each option that any choice owns; choices may have other defaults."""
    return _all_options(tuple(len(list(table_of(kind))) for kind in KINDS))


@functools.cache
def _all_options(num_choices: tuple[int, ...]) -> dict[str, Option]:
    found: dict[str, Option] = {}
    for _, module in _choices():
        for name, option in _declared(module).items():
            found.setdefault(name, option)
    return found
