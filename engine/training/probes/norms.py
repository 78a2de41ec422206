"""Lengths of parameters, gradients and updates.

Definition: the Euclidean length ‖x‖ = √Σ x_i² of every parameter array θ, of the gradient g of the
loss of the mini-batch that is trained on next, and of the update u that is then added to θ; and of
all arrays together.

Source: textbook. On a plateau near a saddle the gradient grows like θ to the power of depth − 1
(Saxe et al. 2014, arXiv 1312.6120); under Adam the update does not, until the gradient has
sunk below ε.

Cost: one step, about 3 forward passes of a mini-batch, which others share.
"""

from typing import Any

import jax

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values
from engine.training.probes.registry import WHOLE
from engine.training.probes.vectors import norm

PARAMS, GRADIENT, UPDATE = "param_norm", "gradient_norm", "update_norm"


def _measure(subject: Subject, snapshot: Snapshot, memory: Any) -> tuple[Values, Any]:
    trees = {PARAMS: snapshot.state.params, GRADIENT: snapshot.first.grads, UPDATE: snapshot.first.updates}
    values = {}
    for series, tree in trees.items():
        lengths = [norm(leaf) for leaf in jax.tree.leaves(tree)]
        own = dict(zip(subject.leaf_names, lengths, strict=True))
        values[series] = {**own, WHOLE: norm(lengths)}
    return values, memory


DIAGNOSTIC = Diagnostic(series=(PARAMS, GRADIENT, UPDATE), measure=_measure)
