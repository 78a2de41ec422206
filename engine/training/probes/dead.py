"""Measures the share of dead units.

Definition: a unit is a feature that enters a weighted layer, except the data themselves. It is dead where no example of
the first evaluation batch changes it at any position of the image or sequence, so that max − min over the examples is
exactly 0: a rectifier that is off for all of them, a saturated unit, or one whose signal is below the rounding of what
all examples share. The share is of the features of each layer, and of all layers together. With n examples a unit that
is alive for a share p of the data looks dead with probability (1 − p)ⁿ.

Source: Lu et al. 2019 (arXiv 1903.06733) for rectifiers that are dead from the start.
Cost: one forward pass of an evaluation batch, which is shared.
"""

import jax
import jax.numpy as jnp

from .diagnostic import WHOLE, Diagnostic, Memory, Panel, Snapshot, Subject, Values

SHARE = "dead_share"


def _obstacle(subject: Subject) -> str | None:
    hidden = [name for name in subject.layers if name not in subject.data_layers]
    return None if hidden else "no hidden layer was found in the network"


def num_dead(values: jax.Array) -> jax.Array:
    """Counts the features that no example changes, of `[examples, positions, features]`."""
    is_changed = jnp.max(values, axis=0) != jnp.min(values, axis=0)
    return jnp.sum(~jnp.any(is_changed, axis=0))


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    hidden = {name: entry.values for name, entry in snapshot.inputs.items() if not entry.is_data}
    numbers = {name: num_dead(values) for name, values in hidden.items()}
    own = {name: number / hidden[name].shape[-1] for name, number in numbers.items()}
    whole = sum(numbers.values()) / sum(values.shape[-1] for values in hidden.values())
    return {SHARE: {**own, WHOLE: jnp.asarray(whole)}}, memory


_PANEL = Panel(
    "dead units", (SHARE,), "linear",
    "share of the features entering a layer that no example changes",
    "1 in any layer cuts off everything behind it; a share that stays is lost capacity",
    is_by_layer=True, told="whole",
)  # fmt: skip
DIAGNOSTIC = Diagnostic({SHARE: "the share of dead units"}, _measure, (_PANEL,), _obstacle)
