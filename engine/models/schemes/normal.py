"""`normal`: weights and biases normal with one standard deviation."""

from collections.abc import Mapping
from typing import Any

from engine.models.schemes import INIT_SCALE, Law

OPTIONS = (INIT_SCALE,)


def law(fan_in: int, fan_out: int, options: Mapping[str, Any]) -> Law:
    """Returns the law of a layer."""
    return Law(options["init_scale"], bias=options["init_scale"])
