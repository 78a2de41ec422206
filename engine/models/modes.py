"""What networks call the difference between training and evaluation."""

import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal

# `batch` evaluates with batch statistics, `average` with running averages.
Mode = Literal["train", "batch", "average"]

# The value of each in training; in evaluation it is the other one.
_SWITCHES = {
    "train": True,
    "training": True,
    "is_training": True,
    "is_train": True,
    "deterministic": False,
    "is_deterministic": False,
    "eval": False,
    "evaluate": False,
    "inference": False,
}
_RUNNING = "use_running_average"


def switches(names: Collection[str], mode: Mode) -> dict[str, Any]:
    """The value of each argument that tells training from evaluation.

    Args:
        names: of the arguments that there are.
        mode: what the network is called for.
    """
    values: dict[str, Any] = {n: v if mode == "train" else not v for n, v in _SWITCHES.items() if n in names}
    if _RUNNING in names:
        values[_RUNNING] = mode == "average"
    return values


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Names of a function's parameters, `self` left out."""
    return [name for name in inspect.signature(function).parameters if name != "self"]
