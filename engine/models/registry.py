"""The names of the networks and of the initial schemes."""

from ..registry import Registry

_NETWORKS = ("chain", "cnn8", "committee", "mlp", "position", "transformer")
_SCHEMES = ("normal", "constant", "he", "glorot", "lecun", "torch", "as_written")

MODELS = Registry("model", {name: f".models.{name}" for name in _NETWORKS})
SCHEMES = Registry("init", {name: f".models.schemes.{name}" for name in _SCHEMES})
