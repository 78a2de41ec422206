"""Loss curves that somebody else logged: files in, curves out.

Nothing in a log is executed, and what is read of it is bounded by its size.
"""

from engine.readers.chance import find_chance_loss, suggest_classes
from engine.readers.curves import Curve, Series
from engine.readers.formats import FORMATS
from engine.readers.options import LAYOUTS, RESTARTS, ReadOptions
from engine.readers.reading import Reading, read_curves

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
