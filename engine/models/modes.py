"""What networks call the difference between training and evaluation."""

import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal

# `batch` evaluates with batch statistics, `average` with running averages.
Mode = Literal["train", "batch", "average"]

# Arguments that are true in training and false in evaluation, and the reverse.
_TRAINING = ("train", "training", "is_training", "is_train")
_EVALUATION = ("deterministic", "is_deterministic", "eval", "evaluate", "inference")
_RUNNING = "use_running_average"


def switches(names: Collection[str], mode: Mode) -> dict[str, Any]:
    """Returns the value of each of the named arguments that tells training from evaluation."""
    is_train = mode == "train"
    values = {**dict.fromkeys(_TRAINING, is_train), **dict.fromkeys(_EVALUATION, not is_train)}
    values[_RUNNING] = mode == "average"
    return {name: value for name, value in values.items() if name in names}


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Returns the names of a function's parameters without `self`."""
    return [name for name in inspect.signature(function).parameters if name != "self"]
