"""Metrics, one file each, with `OPTIONS`, `TITLE` and `make(targets, num_outputs, options)`."""

from collections.abc import Callable

import jax

from ..errors import InputError
from ..losses import Targets

# From outputs `[examples, num_outputs]`, of tokens `[examples, positions, num_outputs]`, and their targets, of a whole
# evaluation set, to one number.
Metric = Callable[[jax.Array, jax.Array], jax.Array]


def require_classes(name: str, targets: Targets, num_outputs: int) -> None:
    """Raises InputError where targets are no classes, or outputs are not one for each of them."""
    if not targets.are_classes:
        kind = "tokens" if targets.are_tokens else "values"
        raise InputError(f"metric={name} is for classes, and these targets are {kind}: expected another, or your own")
    if num_outputs != targets.num_outputs:
        raise InputError(
            f"metric={name} needs an output for each of the {targets.num_outputs} classes, and under this loss there "
            f"are {num_outputs}: expected a metric of your own"
        )


def require_values(name: str, targets: Targets) -> None:
    """Raises InputError where targets are no values."""
    if targets.are_classes or targets.are_tokens:
        kind = "classes" if targets.are_classes else "tokens"
        raise InputError(f"metric={name} is for values, and these targets are {kind}: expected another, or your own")
