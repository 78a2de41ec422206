"""`normal`: weights and biases normal with one standard deviation."""

from . import INIT_SCALE, Law, Options

OPTIONS = (INIT_SCALE,)


def law(fan_in: int, fan_out: int, options: Options) -> Law:
    """Returns the law of a layer."""
    return Law(options["init_scale"], bias=options["init_scale"])
