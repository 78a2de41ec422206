"""What a change is called in the library that the user's network is written in."""

from collections.abc import Callable, Mapping
from typing import Any

from ..arms.arm import Arm, identity_fields

_Say = Callable[[Any], str]
_CLASSES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "lion": "Lion"}
_MARK = "in "
_ALIKE: dict[str, _Say] = {
    "momentum": lambda value: f"momentum={value:g}",
    "weight_decay": lambda value: f"weight_decay={value or 0:g}",
    "target_scaling": lambda value: "(y - y.mean(0)) / y.std(0)",
}
_WORDS: dict[str, dict[str, _Say]] = {
    "PyTorch": {
        **_ALIKE,
        "init": lambda value: "torch.nn.init.kaiming_normal_",
        "epsilon": lambda value: f"eps={value:g}",
        "learning_rate": lambda value: f"lr={value:g}",
        "optimizer": lambda value: f"torch.optim.{_CLASSES[value]}",
        "clip_norm": lambda value: f"torch.nn.utils.clip_grad_norm_(parameters, {value:g})" if value else "no clipping",
        "dropout": lambda value: "nn.Dropout(0)",
        "batch_size": lambda value: f"DataLoader(…, batch_size={value})",
        "schedule": lambda value: "no lr_scheduler",
        "scaling": lambda value: "(x - mean) / std, of each channel",
    },
    "Keras": {
        **_ALIKE,
        "init": lambda value: 'kernel_initializer="he_normal"',
        "epsilon": lambda value: f"epsilon={value:g}",
        "learning_rate": lambda value: f"learning_rate={value:g}",
        "optimizer": lambda value: f"keras.optimizers.{_CLASSES[value]}",
        "clip_norm": lambda value: f"global_clipnorm={value:g}" if value else "no global_clipnorm",
        "dropout": lambda value: "layers.Dropout(0)",
        "batch_size": lambda value: f"fit(…, batch_size={value})",
        "schedule": lambda value: "a learning_rate that is a number",
        "scaling": lambda value: "layers.Normalization",
    },
}


def in_library(library: str, given: Arm, changed: Arm) -> str:
    """Says what turns one resolved arm into another in a library; empty where it has no words for that."""
    words = _WORDS.get(library, {})
    before, after = identity_fields(given), identity_fields(changed)
    different = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if after["optimizer"] != before["optimizer"]:
        different = ["optimizer", "learning_rate", "momentum"]
    said = [words[name](after.get(name)) for name in different if name in words and _is_said(name, after)]
    return f"{_MARK}{library}: {', '.join(said)}" if said else ""


def without_library(words: str) -> str:
    """Returns words of a change without what it is called in a library."""
    return words.partition(f", {_MARK}")[0]


def _is_said(name: str, after: Mapping[str, Any]) -> bool:
    """Tells whether a library has a word for the new value of a field."""
    value = after.get(name)
    if name in ("init", "optimizer", "momentum"):
        return {"init": value == "he", "optimizer": value in _CLASSES, "momentum": bool(value)}[name]
    return value is not None or name in ("weight_decay", "clip_norm")
