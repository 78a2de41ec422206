"""Known answers to hold runs against. A theory is one module, and one line in `THEORIES`.

A module has `USES`, the metrics whose curves it reads, and `predict(measured) -> Prediction`, from
what the runs of each arm left behind to what they should have. It is an independent reference:
NumPy and SciPy in double precision, and nothing of the engine's own training.
"""

from engine.studies.theories import THEORIES

__all__ = ["THEORIES"]
