"""Plateau: a measuring instrument for the time at which training kicks in.

The names below are loaded when they are first used, so that `import engine` costs nothing.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Arm": ".arms.arm",
    "InputError": ".errors",
    "Interrupted": ".workers.interruption",
    "Option": ".arms.options",
    "Results": ".commands.open",
    "Study": ".studies.study",
    "Training": ".tasks.own_training",
    "Until": ".studies.until",
    "check": ".commands.check",
    "diagnose": ".commands.diagnose",
    "open": ".commands.open",
    "read": ".commands.read",
    "run": ".commands.run",
    "verify": ".commands.verify",
}

__all__ = [
    *("Arm", "InputError", "Interrupted", "Option", "Results", "Study", "Training", "Until"),
    *("check", "diagnose", "open", "read", "run", "verify"),
]

if Path(__file__).parent.name == "engine":
    # A clone knows the package by its folder and by the name that it has once installed: both are one.
    for _name in ("engine", "plateau_engine"):
        sys.modules.setdefault(_name, sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
