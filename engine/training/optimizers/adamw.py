"""`adamw`: Adam with decoupled weight decay; Loshchilov and Hutter (2019)."""

import jax
import optax

from . import BETA1, BETA2, CLIP_NORM, EPSILON, WEIGHT_DECAY, Hyperparams, Options

OPTIONS = (BETA1, BETA2, EPSILON, WEIGHT_DECAY, CLIP_NORM)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return optax.adamw(rate, h["beta1"], h["beta2"], h["epsilon"], weight_decay=h["weight_decay"])
