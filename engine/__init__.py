"""Plateau: a measuring instrument for the time at which training kicks in.

The names below are loaded when they are first used, so that `import engine` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Arm": "engine.arms.arm",
    "InputError": "engine.errors",
    "Interrupted": "engine.workers.interruption",
    "Option": "engine.arms.options",
    "Results": "engine.commands.open",
    "Study": "engine.studies.study",
    "Until": "engine.studies.until",
    "check": "engine.commands.check",
    "diagnose": "engine.commands.diagnose",
    "open": "engine.commands.open",
    "read": "engine.commands.read",
    "run": "engine.commands.run",
    "verify": "engine.commands.verify",
}

__all__ = [
    *("Arm", "InputError", "Interrupted", "Option", "Results", "Study", "Until"),
    *("check", "diagnose", "open", "read", "run", "verify"),
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
