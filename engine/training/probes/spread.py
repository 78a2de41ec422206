"""Measures how much of what enters a layer still depends on the input.

Definition: for what enters a weighted layer, a_{epf} of example e, position p and feature f,

    spread = √(mean_{pf} var_e a) / √(mean_{epf} a²),

the standard deviation over examples against the size, on the first evaluation batch. It is the share of the
activations' length that tells examples apart: 0 where all examples look alike at this depth (or all activations are 0),
1 where their mean over examples is 0. The root mean square, unlike the mean, keeps it finite where the mean is near 0.
The data enter the first layer: its spread tells whether the inputs hold any signal.

Source: signal propagation at depth, Schoenholz et al. 2017 (arXiv 1611.01232), whose correlation of two inputs is
c = 1 − spread².
Cost: one forward pass of an evaluation batch, which is shared.
"""

import jax
import jax.numpy as jnp

from .diagnostic import Diagnostic, Memory, Panel, Snapshot, Subject, Values

SPREAD = "spread"


def _obstacle(subject: Subject) -> str | None:
    return None if subject.layers else "no weighted layer was found in the network"


def deviation(values: jax.Array) -> jax.Array:
    """Returns the standard deviation over the first axis, as a root mean square over the others."""
    centred = values - jnp.mean(values, axis=0)
    # Equal values differ from their mean by rounding.
    is_changed = jnp.max(values, axis=0) != jnp.min(values, axis=0)
    return _root_mean_square(jnp.where(is_changed, centred, 0.0))


def _root_mean_square(values: jax.Array) -> jax.Array:
    largest = jnp.max(jnp.abs(values))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(jnp.mean(jnp.square(values / scale)))


def relative_spread(values: jax.Array) -> jax.Array:
    """Returns the spread of `[examples, …]` relative to its size; 0 where it has none."""
    size = _root_mean_square(values)
    return deviation(values) / jnp.where(size == 0, 1.0, size)


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    own = {name: relative_spread(entry.values) for name, entry in snapshot.inputs.items()}
    return {SPREAD: own}, memory


_PANEL = Panel(
    "spread", (SPREAD,), "log",
    "how much of what enters a layer depends on the example, 0 to 1",
    "the depth at which it vanishes on the plateau, and the layer where it returns first; near 0 in the first layer: "
    "there is no signal in the inputs",
    is_by_layer=True, told="layer",
)  # fmt: skip
DIAGNOSTIC = Diagnostic({SPREAD: "the spread of what enters"}, _measure, (_PANEL,), _obstacle)
