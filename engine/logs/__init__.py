"""Loss curves that somebody else logged: files in, curves out.

Nothing in a log is executed, and what is read of it is bounded by its size.
"""

from engine.logs.formats import FORMATS
from engine.logs.from_files import Reading, read_curves
from engine.logs.logged_curves import Curve, Series
from engine.logs.options import LAYOUTS, RESTARTS, ReadOptions
from engine.outcomes.chance import find_chance_loss, suggest_classes

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "RESTARTS",
    "Curve",
    "ReadOptions",
    "Reading",
    "Series",
    "find_chance_loss",
    "read_curves",
    "suggest_classes",
]
