"""The names of the losses."""

from ..registry import OWN_FUNCTION, Registry

_LOSSES = (
    *("absolute", "binary", "contrastive", "cross_entropy", "focal", "hinge", "huber", "next_token", "quantile"),
    "squared",
)

LOSSES = Registry("loss", {name: f".losses.{name}" for name in _LOSSES}, OWN_FUNCTION)
