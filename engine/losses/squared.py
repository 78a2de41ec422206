"""`squared`: the mean squared error of outputs; the best constant is the mean."""

from . import Loss, Options, Targets, of_values

OPTIONS = ()


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss."""
    return of_values(lambda outputs, values: (outputs - values) ** 2, targets)
