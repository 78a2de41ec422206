"""The names of the optimisers and of the learning-rate schedules."""

from typing import Any

from ..registry import OWN_FUNCTION, Registry

_OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "lion")
_SCHEDULES = ("constant", "cosine", "exponential", "linear", "one_cycle", "restarts", "step", "warmup")
# Of `optimizers.others`.
_OTHERS = (
    *("adabelief", "adadelta", "adafactor", "adagrad", "adamax", "adan", "amsgrad", "lamb", "lars", "muon"),
    *("nadam", "nadamw", "novograd", "radam", "rprop", "sign_sgd", "sm3", "yogi"),
)


class Optimizers(Registry):
    """Optimisers in a file each, and others of optax in a table."""

    def load(self, name: str) -> Any:
        """Returns what has the `OPTIONS` of an optimiser and its `build`."""
        found = super().load(name)
        return found.OTHERS[name] if name in _OTHERS else found


OPTIMIZERS = Optimizers(
    "optimizer",
    {name: f".training.optimizers.{'others' if name in _OTHERS else name}" for name in (*_OPTIMIZERS, *_OTHERS)},
    OWN_FUNCTION,
)
SCHEDULES = Registry("schedule", {name: f".training.schedules.{name}" for name in _SCHEDULES})
