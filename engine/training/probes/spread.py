"""How much of what enters a layer still depends on the input.

Definition: for what enters a weighted layer, a_{epf} of example e, position p and feature f,

    spread = √(mean_{pf} var_e a) / √(mean_{epf} a²),

the standard deviation over examples against the size, of the first evaluation batch. It is the
share of the activations' length that tells examples apart: 0 where all examples look alike at this
depth (also where all activations are 0), 1 where their mean over examples is 0. Dividing by the
root mean square in the place of the mean keeps it finite where the mean is near 0. What enters
the first layer are the data: is there any signal in the inputs at all?

Source: signal propagation at depth, Schoenholz et al. 2017 (arXiv 1611.01232), whose correlation of
two inputs is c = 1 − spread².

Cost: one forward pass of an evaluation batch, which others share.
"""

from typing import Any

import jax
import jax.numpy as jnp

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values

SPREAD = "spread"


def _obstacle(subject: Subject) -> str | None:
    return None if subject.layers else "no weighted layer was found in the network"


def deviation(values: jax.Array) -> jax.Array:
    """Standard deviation over the first axis, root mean square over the others."""
    centred = values - jnp.mean(values, axis=0)
    # Values that are equal are apart by the rounding of their mean, or not at all.
    is_changed = jnp.max(values, axis=0) != jnp.min(values, axis=0)
    return _root_mean_square(jnp.where(is_changed, centred, 0.0))


def _root_mean_square(values: jax.Array) -> jax.Array:
    largest = jnp.max(jnp.abs(values))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(jnp.mean(jnp.square(values / scale)))


def relative_spread(values: jax.Array) -> jax.Array:
    """Spread of `[examples, …]` against its size; 0 where it has none."""
    size = _root_mean_square(values)
    return deviation(values) / jnp.where(size == 0, 1.0, size)


def _measure(subject: Subject, snapshot: Snapshot, memory: Any) -> tuple[Values, Any]:
    own = {name: relative_spread(entry.values) for name, entry in snapshot.inputs.items()}
    return {SPREAD: own}, memory


DIAGNOSTIC = Diagnostic(series=(SPREAD,), measure=_measure, obstacle=_obstacle)
