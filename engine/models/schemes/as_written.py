"""`as_written`: the start that the network itself is written with; nothing is laid over it."""

from collections.abc import Mapping
from typing import Any

from engine.arms.options import Option
from engine.models.schemes import Law

OPTIONS: tuple[Option, ...] = ()


def law(fan_in: int, fan_out: int, options: Mapping[str, Any]) -> Law:
    """Returns the law of a layer."""
    return Law(0.0)
