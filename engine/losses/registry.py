"""The names of the losses."""

from ..registry import Registry

_LOSSES = (
    *("absolute", "binary", "contrastive", "cross_entropy", "focal", "hinge", "huber", "next_token", "quantile"),
    "squared",
)

LOSSES = Registry(
    "loss", {name: f".losses.{name}" for name in _LOSSES}, "path/to/file.py:NAME for a function of your own"
)
