"""The kinds of choices that an arm makes, and the options that each choice owns.

A choice is one module with `OPTIONS`, a tuple of `Option`, and one line in the table of its kind.
"""

import functools
from collections.abc import Iterator

from ..registry import Registry, resolve
from ..user_code import is_reference
from .options import Option

# Where the table of each kind is. What a kind needs is imported when something of it is asked for.
_TABLES = {
    "dataset": ".tasks.registry:TASKS",
    "model": ".models.registry:MODELS",
    "init": ".models.registry:SCHEMES",
    "optimizer": ".training.registry:OPTIMIZERS",
    "schedule": ".training.registry:SCHEDULES",
    "loss": ".losses.registry:LOSSES",
    "metric": ".metrics.registry:METRICS",
}
# Options of what is the user's own.
_OWN = {
    "model": ".models.building:OPTIONS",
    "loss": ".losses.making:OPTIONS",
    "metric": ".metrics.making:OPTIONS",
    "optimizer": ".training.optimizers.own:OPTIONS",
}
KINDS, OF_USERS = tuple(_TABLES), tuple(_OWN)


def table_of(kind: str) -> Registry:
    """Returns the table with the names of a kind's choices."""
    table: Registry = resolve(_TABLES[kind])
    return table


def options_of(kind: str, name: str) -> dict[str, Option]:
    """Returns the options that a choice owns, by name; raises InputError with the nearest choice that there is."""
    is_own = kind in _OWN and is_reference(name)
    options = resolve(_OWN[kind]) if is_own else table_of(kind).load(name).OPTIONS
    return {option.name: option for option in options}


def kinds_of(option: str) -> list[str]:
    """Returns the kinds of which some choice owns an option of that name."""
    return [kind for kind in KINDS if any(option == one.name for one in _declared(kind))]


@functools.cache
def all_options() -> dict[str, Option]:
    """Returns one declaration of each option that any choice owns; choices may have other defaults."""
    found: dict[str, Option] = {}
    for kind in KINDS:
        for option in _declared(kind):
            found.setdefault(option.name, option)
    return found


def _declared(kind: str) -> Iterator[Option]:
    """Yields the options of all choices of a kind, and last those of what is the user's own."""
    for choice in table_of(kind):
        yield from options_of(kind, choice).values()
    if kind in _OWN:
        yield from resolve(_OWN[kind])
