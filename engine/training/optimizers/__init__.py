"""Optimisers, one file each, with `OPTIONS` and `build(rate, hyperparams, options)`: optax transformations.

Options that are hyperparameters are traced: arms that differ only in them share a program.
"""

from collections.abc import Mapping
from typing import Any

import jax

from engine.arms.options import Option

Hyperparams = Mapping[str, jax.Array]
Options = Mapping[str, Any]

MOMENTUM = Option("momentum", float, 0.0, "momentum", part="hyperparam", minimum=0, maximum=1, is_open=True)
BETA1 = Option("beta1", float, 0.9, "decay of the first moment", part="hyperparam", minimum=0, maximum=1, is_open=True)
BETA2 = Option(
    "beta2", float, 0.999, "decay of the second moment", part="hyperparam", minimum=0, maximum=1, is_open=True
)
EPSILON = Option(
    "epsilon", float, 1e-8, "added to the root of the second moment", part="hyperparam", minimum=0, maximum=1e3
)
WEIGHT_DECAY = Option("weight_decay", float, 1e-4, "decoupled weight decay", part="hyperparam", minimum=0, maximum=1e3)
