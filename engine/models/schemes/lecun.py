"""`lecun`: keeps the variance of the inputs, zero biases; LeCun, Bottou, Orr and Müller (1998)."""

import math
from collections.abc import Mapping
from typing import Any

from engine.arms.options import Option
from engine.models.schemes import Law

OPTIONS: tuple[Option, ...] = ()


def law(fan_in: int, fan_out: int, options: Mapping[str, Any]) -> Law:
    """Returns the law of a layer."""
    return Law(math.sqrt(1.0 / fan_in))
