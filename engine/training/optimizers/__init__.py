"""Optimisers, one file each, with `OPTIONS` and `build(rate, hyperparams, options)`: optax transformations.

Options that are hyperparameters are traced: arms that differ only in them share a program.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import optax

from ...arms.options import Option

Hyperparams = Mapping[str, jax.Array]


def updated(
    optimizer: optax.GradientTransformation, grads: Any, state: Any, params: Any, loss: jax.Array
) -> tuple[Any, Any]:
    """Returns updates and new state; what follows the loss of the batch, such as `reduce_on_plateau`, is given it."""
    takes = inspect.signature(optimizer.update).parameters
    takes_loss = "value" in takes or any(p.kind == p.VAR_KEYWORD for p in takes.values())
    found: tuple[Any, Any] = optimizer.update(grads, state, params, **({"value": loss} if takes_loss else {}))
    return found


Options = Mapping[str, Any]

MOMENTUM = Option("momentum", float, 0.0, "momentum", part="hyperparam", minimum=0, maximum=1, is_open=True)
BETA1 = Option("beta1", float, 0.9, "decay of the first moment", part="hyperparam", minimum=0, maximum=1, is_open=True)
BETA2 = Option(
    "beta2", float, 0.999, "decay of the second moment", part="hyperparam", minimum=0, maximum=1, is_open=True
)
EPSILON = Option(
    "epsilon", float, 1e-8, "added to the root of the second moment", part="hyperparam", minimum=0, maximum=1e3
)
WEIGHT_DECAY = Option(
    "weight_decay",
    float,
    1e-4,
    "share of the weights that a step takes away, over the learning rate; in SGD, Adam and RMSprop it is part of the "
    "gradient (L2), in AdamW and Lion it is not",
    part="hyperparam",
    minimum=0,
    maximum=1e3,
    unset="none",
)
CLIP_NORM = Option(
    "clip_norm",
    float,
    None,
    "norm of the gradient of all parameters together to which a longer one is cut (Pascanu et al. 2013)",
    part="hyperparam",
    is_positive=True,
    maximum=1e6,
    unset="none",
)
# Of an optimiser that is used without decay: where none is given its program has no such number.
L2_DECAY = WEIGHT_DECAY.with_default(None)


def with_l2(optimizer: optax.GradientTransformation, h: Hyperparams) -> optax.GradientTransformation:
    """Returns the optimiser with `weight_decay` times the parameters added to the gradient, where that is given."""
    if "weight_decay" not in h:
        return optimizer
    return optax.chain(optax.add_decayed_weights(h["weight_decay"]), optimizer)
