"""Tables of names that are loaded when they are first used."""

import hashlib
import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .errors import unknown_name

# What can be given in place of a name where functions of the user's are taken.
OWN_FUNCTION = "path/to/file.py:NAME for a function of your own"


class Registry(dict[str, str]):
    """Holds a closed set of names, each with its module; `kind` is what they name, for messages, and `others`
    what can be given in place of a name.

    A module of this package has a path from its root, `.tasks.digits`; the root has one name in a clone and another
    where it is installed.
    """

    def __init__(self, kind: str, modules: Mapping[str, str], others: str = "") -> None:
        super().__init__(modules)
        self.kind, self.others = kind, others

    def check(self, name: str) -> str:
        """Returns the name itself; raises InputError with the nearest one that is registered."""
        if name not in self:
            raise unknown_name(self.kind, name, self, self.others)
        return name

    def load(self, name: str) -> ModuleType:
        """Returns the module behind a name; raises InputError as `check` does."""
        return importlib.import_module(self[self.check(name)], __package__)


def resolve(place: str) -> Any:
    """Returns what `.module:NAME` means, with the module's path from the root of this package."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module, __package__), name)


def fingerprint_sources(*modules: ModuleType) -> str:
    """Returns the SHA-256 over the source text of some modules, in the order given."""
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()
