"""Initial schemes, one file each, with `OPTIONS` and `law(fan_in, fan_out, options)`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...arms.options import Option

Options = Mapping[str, Any]

INIT_SCALE = Option(
    "init_scale",
    float,
    0.05,
    "standard deviation of weights and biases under init=normal; every weight under init=constant",
    part="initial",
    minimum=0,
    maximum=1e3,
)


class Law(NamedTuple):
    """Mean and standard deviation of a layer's weights, and standard deviation of its biases, whose mean is 0."""

    deviation: float
    bias: float = 0.0
    mean: float = 0.0
