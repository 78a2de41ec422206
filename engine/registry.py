"""Tables of names that are loaded when they are first used."""

import hashlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType

from engine.errors import unknown_name


class Registry:
    """Holds a closed set of names, each of them one module.

    Args:
        kind: what the names name, for messages.
        modules: import path of each name's module.
    """

    def __init__(self, kind: str, modules: Mapping[str, str]) -> None:
        self.kind = kind
        self._modules = dict(modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def add(self, name: str, module: str) -> None:
        """Registers a module under a name."""
        self._modules[name] = module

    def remove(self, name: str) -> None:
        """Takes a name out again."""
        del self._modules[name]

    def load_all(self) -> Iterator[ModuleType]:
        """Returns the module of every name."""
        return map(importlib.import_module, self._modules.values())

    def check(self, name: str) -> str:
        """Returns the name itself.

        Raises:
            InputError: it is not registered; the message names the nearest one that is.
        """
        if name not in self._modules:
            raise unknown_name(self.kind, name, self._modules)
        return name

    def load(self, name: str) -> ModuleType:
        """Returns the module behind a name.

        Raises:
            InputError: see `check`.
        """
        return importlib.import_module(self._modules[self.check(name)])


def fingerprint_sources(*modules: ModuleType) -> str:
    """Returns the SHA-256 over the source text of some modules, in the order given."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()
