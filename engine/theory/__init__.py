"""Known answers to compare runs with. A theory is one module and one line in `THEORIES`.

A module has `USES`, the metrics whose curves it reads, and `predict(measured) -> Prediction`. It is an independent
reference in double precision: NumPy and SciPy, and nothing of the engine's own training.
"""

from ..studies.theories import THEORIES
