"""`torch`: PyTorch's for linear layers and convolutions: the variance of a uniform law on ±1/√(fan in)."""

import math

from . import Law, Options

OPTIONS = ()


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    deviation = math.sqrt(1.0 / (3 * fan_in))
    return Law(deviation, bias=deviation)
