"""`sgd`: stochastic gradient descent, with momentum where asked for."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from engine.arms.options import Option
from engine.training.optimizers import MOMENTUM

OPTIONS = (MOMENTUM, Option("nesterov", bool, False, "Nesterov's momentum"))


def build(rate: jax.Array, h: Mapping[str, jax.Array], options: Mapping[str, Any]) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return optax.sgd(rate, momentum=h["momentum"], nesterov=options["nesterov"])
