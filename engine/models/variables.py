"""Variables of a network by name, as nested dictionaries in the order of the network."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError


def nested(values: Mapping[str, Any], separator: str) -> Any:
    """Returns values as nested dictionaries, in their order: with a slash, `{"conv/kernel": 1}` has two levels."""
    # What is empty is like any other that is.
    tree: Any = OrderedDict() if values else {}
    for name, value in values.items():
        *above, last = name.split(separator)
        inside = tree
        for part in above:
            inside = inside.setdefault(part, OrderedDict())
        if not isinstance(inside, dict) or last in inside:
            raise InputError(f"it has two variables of the name {name!r}: expected a name for each")
        inside[last] = value
    return tree


def in_order(tree: Any, names: Iterable[str], separator: str) -> list[Any]:
    """Returns values of a tree that `nested` made, in the order of their names."""
    found = []
    for name in names:
        value = tree
        for part in name.split(separator):
            value = value[part]
        found.append(value)
    return found
