"""`adam`: Kingma and Ba (2015)."""

import jax
import optax

from engine.training.optimizers import BETA1, BETA2, EPSILON, Hyperparams, Options

OPTIONS = (BETA1, BETA2, EPSILON)


def build(rate: jax.Array, h: Hyperparams, options: Options) -> optax.GradientTransformation:
    """Returns the transformation for a learning rate and hyperparameters, both of which may be traced."""
    return optax.adam(rate, h["beta1"], h["beta2"], h["epsilon"])
