"""`he`: for rectifiers, zero biases; He, Zhang, Ren and Sun (2015)."""

import math
from collections.abc import Mapping
from typing import Any

from engine.arms.options import Option
from engine.models.schemes import Law

OPTIONS: tuple[Option, ...] = ()


def law(fan_in: int, fan_out: int, options: Mapping[str, Any]) -> Law:
    """Returns the law of a layer."""
    return Law(math.sqrt(2.0 / fan_in))
