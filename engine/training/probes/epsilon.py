"""Measures the share of the parameters whose gradients have sunk below the optimiser's ε.

Definition: the share of numbers i with √v̂_i < ε, in every parameter array and in all together. v̂ is the second moment
by which the next update is divided, corrected for its start where the optimiser does that. Adam's update is
lr·m̂/(√v̂ + ε): where √v̂ ≪ ε the gradient's size counts again, and the step shrinks with it.

Source: Kingma and Ba 2015 (arXiv 1412.6980) for v̂; the experiment `init_scale` shows what ε does near zero.
Cost: one step, which is shared. Sgd and lion divide by nothing and have no such share.
"""

import jax
import jax.numpy as jnp

from ..optimization import has_second_moment, second_moment
from .diagnostic import WHOLE, Diagnostic, Memory, Panel, Snapshot, Subject, Values

BELOW = "below_epsilon"


def _obstacle(subject: Subject) -> str | None:
    return None if has_second_moment(subject.arm) else f"optimizer={subject.arm.optimizer} has no ε"


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    state, h = snapshot.state, snapshot.hyperparams
    leaves = jax.tree.leaves(second_moment(subject.arm, h, state.step, snapshot.first.state.opt_state))
    numbers = [jnp.sum(jnp.sqrt(leaf) < h["epsilon"]) for leaf in leaves]
    own = {name: number / leaf.size for name, number, leaf in zip(subject.leaf_names, numbers, leaves, strict=True)}
    whole = sum(numbers) / subject.num_params
    return {BELOW: {**own, WHOLE: whole}}, memory


_PANEL = Panel(
    "share below ε", (BELOW,), "linear",
    "share of the numbers whose √v̂ is below ε",
    "near 1 on the plateau: Adam's steps shrink with the gradient, and a smaller ε ends it; inputs that are always 0 "
    "leave a share that means nothing",
    is_by_layer=True, told="whole",
)  # fmt: skip
DIAGNOSTIC = Diagnostic({BELOW: "the share of numbers below ε"}, _measure, (_PANEL,), _obstacle)
