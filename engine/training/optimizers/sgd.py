"""`sgd`: stochastic gradient descent, with momentum where asked for."""

import jax
import optax

from ...arms.options import Option
from . import CLIP_NORM, L2_DECAY, MOMENTUM, Hyperparams, Options, with_l2

OPTIONS = (MOMENTUM, Option("nesterov", bool, False, "Nesterov's momentum"), L2_DECAY, CLIP_NORM)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return with_l2(optax.sgd(rate, momentum=h["momentum"], nesterov=options["nesterov"]), h)
