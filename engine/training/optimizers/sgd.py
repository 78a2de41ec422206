"""`sgd`: stochastic gradient descent, with momentum where asked for."""

import jax
import optax

from engine.arms.options import Option
from engine.training.optimizers import MOMENTUM, Hyperparams, Options

OPTIONS = (MOMENTUM, Option("nesterov", bool, False, "Nesterov's momentum"))


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return optax.sgd(rate, momentum=h["momentum"], nesterov=options["nesterov"])
