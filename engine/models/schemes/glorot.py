"""`glorot`: between fan-in and fan-out, zero biases; Glorot and Bengio (2010)."""

import math

from . import Law, Options

OPTIONS = ()


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    return Law(math.sqrt(2.0 / (fan_in + fan_out)))
