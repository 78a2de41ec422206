"""`absolute`: the mean distance of outputs from values; the best constant is the median."""

import jax.numpy as jnp

from . import Loss, Options, Targets, of_values

OPTIONS = ()


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss."""
    return of_values(lambda outputs, values: jnp.abs(outputs - values), targets)
