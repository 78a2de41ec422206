"""The names of the optimisers and of the learning-rate schedules."""

from ..registry import Registry

_OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "lion")
_SCHEDULES = ("constant", "warmup", "cosine")

OPTIMIZERS = Registry("optimizer", {name: f".training.optimizers.{name}" for name in _OPTIMIZERS})
SCHEDULES = Registry("schedule", {name: f".training.schedules.{name}" for name in _SCHEDULES})
