"""`torch`: PyTorch's for linear layers and convolutions: the variance of a uniform law on ±1/√(fan in)."""

import math
from collections.abc import Mapping
from typing import Any

from engine.arms.options import Option
from engine.models.schemes import Law

OPTIONS: tuple[Option, ...] = ()


def law(fan_in: int, fan_out: int, options: Mapping[str, Any]) -> Law:
    """Returns the law of a layer."""
    deviation = math.sqrt(1.0 / (3 * fan_in))
    return Law(deviation, bias=deviation)
