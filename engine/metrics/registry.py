"""The names of the metrics."""

from ..registry import Registry

_METRICS = ("balanced_accuracy", "macro_f1", "mean_absolute_error", "r_squared", "roc_auc", "top_k")

METRICS = Registry(
    "metric", {name: f".metrics.{name}" for name in _METRICS}, "path/to/file.py:NAME for a function of your own"
)
