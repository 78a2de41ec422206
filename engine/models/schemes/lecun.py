"""`lecun`: keeps the variance of the inputs, zero biases; LeCun, Bottou, Orr and Müller (1998)."""

import math

from . import Law, Options

OPTIONS = ()


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    return Law(math.sqrt(1.0 / fan_in))
