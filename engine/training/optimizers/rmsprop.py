"""`rmsprop`: Hinton (2012), lecture 6e, with momentum where asked for."""

import jax
import optax

from . import BETA2, CLIP_NORM, EPSILON, L2_DECAY, MOMENTUM, Hyperparams, Options, with_l2

OPTIONS = (BETA2.with_default(0.9), EPSILON, MOMENTUM, L2_DECAY, CLIP_NORM)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return with_l2(optax.rmsprop(rate, h["beta2"], h["epsilon"], eps_in_sqrt=False, momentum=h["momentum"]), h)
