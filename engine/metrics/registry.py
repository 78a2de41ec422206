"""The names of the metrics."""

from ..registry import OWN_FUNCTION, Registry

_METRICS = ("balanced_accuracy", "macro_f1", "mean_absolute_error", "r_squared", "roc_auc", "top_k")

METRICS = Registry("metric", {name: f".metrics.{name}" for name in _METRICS}, OWN_FUNCTION)
