"""Loss curves that others logged: files in, curves out.

Nothing in a log is executed, and memory is bounded by the size of the files.
"""

from .from_files import LoggedRuns, read_curves
from .logged_curves import LoggedCurve, LoggedSeries
from .options import ReadOptions

__all__ = ["LoggedCurve", "LoggedRuns", "LoggedSeries", "ReadOptions", "read_curves"]
