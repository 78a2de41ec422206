"""Measures the lengths of parameters, gradients and updates.

Definition: the Euclidean length ‖x‖ = √Σ x_i² of every parameter array θ, of the gradient g of the next mini-batch's
loss, and of the update u that is then added to θ; and of all arrays together.

Source: textbook. On a plateau near a saddle the gradient grows like θ to the power of depth − 1 (Saxe et al. 2014,
arXiv 1312.6120); under Adam the update does not, until the gradient has sunk below ε.
Cost: one step, about 3 forward passes of a mini-batch, which is shared.
"""

import jax

from .diagnostic import WHOLE, Diagnostic, Memory, Panel, Snapshot, Subject, Values
from .vectors import norm

PARAMS, GRADIENT, UPDATE = "param_norm", "gradient_norm", "update_norm"


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    trees = {PARAMS: snapshot.state.params, GRADIENT: snapshot.first.grads, UPDATE: snapshot.first.updates}
    values = {}
    for series, tree in trees.items():
        lengths = [norm(leaf) for leaf in jax.tree.leaves(tree)]
        values[series] = {**dict(zip(subject.leaf_names, lengths, strict=True)), WHOLE: norm(lengths)}
    return values, memory


_PANELS = (
    Panel(
        "gradient norm", (GRADIENT,), "log",
        "length of the mini-batch's gradient, of each array (thin) and of all",
        "a slow escape from a saddle shows as steady growth long before the loss moves; gradients that stay far apart "
        "from layer to layer show where the signal is lost",
        is_by_layer=True, told="layer",
    ),
    Panel(
        "update norm", (UPDATE,), "log",
        "length of the step that is taken",
        "under Adam it hardly depends on the gradient; where it is small beside that, ε holds it",
        is_by_layer=True,
    ),
    Panel(
        "parameter norm", (PARAMS,), "log",
        "length of the parameters", "weights that have to grow first from a small start",
        is_by_layer=True, told="whole",
    ),
)  # fmt: skip
_SERIES = {PARAMS: "the norm of the parameters", GRADIENT: "the norm of the gradient", UPDATE: "the norm of the update"}
DIAGNOSTIC = Diagnostic(_SERIES, _measure, _PANELS)
