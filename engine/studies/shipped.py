"""The experiments that come with Plateau: modules of the folder `experiments`, beside the engine.

In a clone they are a package of their own; installed, they are within ours, so that no other project's are in the way.
"""

import importlib
from pathlib import Path

from ..registry import Registry

_ROOT = __name__.partition(".")[0]
_PACKAGE = importlib.import_module("experiments" if _ROOT == "engine" else f"{_ROOT}.experiments")

EXPERIMENTS = Registry("experiment", {name: f"{_PACKAGE.__name__}.{name}" for name in _PACKAGE.NAMES})
FOLDER = Path(str(_PACKAGE.__file__)).parent
