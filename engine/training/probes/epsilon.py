"""Share of the parameters whose gradients have sunk below the optimiser's ε.

Definition: the share of numbers i with √v̂_i < ε, of every parameter array and of all together;
v̂ is the second moment by which the next update is divided, with the correction for its start where
the optimiser has one. Adam's update is lr·m̂/(√v̂ + ε): where √v̂ ≪ ε it is the gradient's size
that counts again, and the step shrinks with it.

Source: Kingma and Ba 2015 (arXiv 1412.6980) for v̂; the experiment `init_scale` shows what ε does
near zero.

Cost: one step, shared with `norms`. Not for sgd and lion, which divide by nothing.
"""

from typing import Any

import jax
import jax.numpy as jnp

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values
from engine.training.probes.moments import has_second_moment, second_moment
from engine.training.probes.registry import WHOLE

BELOW = "below_epsilon"


def _obstacle(subject: Subject) -> str | None:
    if has_second_moment(subject.arm):
        return None
    return f"optimizer={subject.arm.optimizer} has no ε"


def _measure(subject: Subject, snapshot: Snapshot, memory: Any) -> tuple[Values, Any]:
    epsilon = snapshot.hyperparams["epsilon"]
    leaves = jax.tree.leaves(second_moment(subject.arm, snapshot))
    numbers = [jnp.sum(jnp.sqrt(leaf) < epsilon) for leaf in leaves]
    own = {name: number / leaf.size for name, number, leaf in zip(subject.leaf_names, numbers, leaves, strict=True)}
    whole = sum(numbers) / subject.num_params
    return {BELOW: {**own, WHOLE: whole}}, memory


DIAGNOSTIC = Diagnostic(series=(BELOW,), measure=_measure, obstacle=_obstacle)
