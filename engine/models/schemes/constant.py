"""`constant`: every weight the same number, zero biases: a balanced start, in which units of a layer stay equal."""

from . import INIT_SCALE, Law, Options

OPTIONS = (INIT_SCALE,)


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    return Law(0.0, mean=options["init_scale"])
