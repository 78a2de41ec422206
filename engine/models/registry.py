"""The names of the networks and of the initial schemes."""

from ..registry import Registry

_NETWORKS = ("chain", "cnn8", "committee", "decoder", "lstm", "mlp", "position", "transformer")
_SCHEMES = ("normal", "constant", "he", "glorot", "lecun", "torch", "as_written")
_OWN = "a network of your own, path/to/file.py:NAME"

MODELS = Registry("model", {name: f".models.{name}" for name in _NETWORKS}, _OWN)
SCHEMES = Registry("init", {name: f".models.schemes.{name}" for name in _SCHEMES})
