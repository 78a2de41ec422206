"""`lion`: the sign of an averaged gradient; Chen et al. (2023)."""

import jax
import optax

from . import BETA1, BETA2, CLIP_NORM, WEIGHT_DECAY, Hyperparams, Options

OPTIONS = (BETA1, BETA2.with_default(0.99), WEIGHT_DECAY.with_default(1e-3), CLIP_NORM)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return optax.lion(rate, h["beta1"], h["beta2"], weight_decay=h["weight_decay"])
