"""`huber`: half the squared error near 0, and linear from a distance on; Huber (1964)."""

import optax

from ..arms.options import Option
from . import Loss, Options, Targets, of_values

OPTIONS = (Option("huber_delta", float, 1.0, "distance from which the loss is linear", is_positive=True, maximum=1e6),)


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss."""
    return of_values(lambda outputs, values: optax.huber_loss(outputs, values, delta=options["huber_delta"]), targets)
