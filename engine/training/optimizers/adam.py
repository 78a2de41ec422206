"""`adam`: Kingma and Ba (2015)."""

import jax
import optax

from . import BETA1, BETA2, CLIP_NORM, EPSILON, L2_DECAY, Hyperparams, Options, with_l2

OPTIONS = (BETA1, BETA2, EPSILON, L2_DECAY, CLIP_NORM)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return with_l2(optax.adam(rate, h["beta1"], h["beta2"], h["epsilon"]), h)
