"""`he`: for rectifiers, zero biases; He, Zhang, Ren and Sun (2015)."""

import math

from . import Law, Options

OPTIONS = ()


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    return Law(math.sqrt(2.0 / fan_in))
