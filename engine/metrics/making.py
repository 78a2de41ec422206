"""Makes the metric of an arm: one of `METRICS`, or a function of the user's."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .. import user_code
from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from ..losses import Targets
from ..registry import fingerprint_sources
from ..user_code import is_reference
from . import Metric
from .registry import METRICS

# Of functions of the user's.
OPTIONS: tuple[Option, ...] = ()


def source_fingerprint(name: str) -> str:
    """Returns the SHA-256 of the sources of a metric."""
    return user_code.fingerprint(name, "metric") if is_reference(name) else fingerprint_sources(METRICS.load(name))


def title_of(name: str) -> str:
    """Returns what sentences call a metric."""
    title: str = name.rpartition(":")[2].replace("_", " ") if is_reference(name) else METRICS.load(name).TITLE
    return title


def make_metric(arm: Arm, sets: Sequence[Targets], num_outputs: int) -> Metric:
    """Returns the metric that an arm names, for the targets of its evaluation sets.

    Raises InputError where it does not fit targets or outputs.
    """
    assert arm.metric is not None
    if not is_reference(arm.metric):
        made: Metric = METRICS.load(arm.metric).make(sets[0], num_outputs, arm.options)
        return made
    function = user_code.load(arm.metric, "metric")
    if not callable(function):
        raise InputError(
            f"metric={arm.metric} is no function: expected one of (outputs, targets) that returns a number"
        )
    for targets in sets:
        shapes = targets.shapes(len(targets.array), num_outputs)
        found: Any = user_code.traced(f"metric={arm.metric}", function, *shapes)
        if getattr(found, "shape", None) != () or jnp.issubdtype(found.dtype, jnp.complexfloating):
            what = f"{found.dtype}{list(found.shape)}" if hasattr(found, "shape") else type(found).__name__
            raise InputError(f"metric={arm.metric} returns {what}: expected one number for all examples together")

    def metric(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.asarray(function(outputs, targets), jnp.float32)

    return metric
