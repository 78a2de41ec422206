"""`next_token`: cross-entropy of a token at each position, in nats, meaned over the tokens that are no padding.

A target below 0 is padding. The mean is over the tokens of a batch rather than over its examples, so that long texts
count more than short ones. The best constant gives every token its share of the training targets.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..arms.options import Option
from . import Loss, Options, Targets, require_tokens

OPTIONS: tuple[Option, ...] = ()


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss of outputs `[batch, positions, tokens]`; raises InputError where the targets are no tokens."""
    require_tokens("next_token", targets)
    shares = targets.shares[targets.shares > 0]
    return loss_of_tokens(targets.num_outputs, float(-np.sum(shares * np.log(shares))))


def loss_of_tokens(num_tokens: int, chance: float) -> Loss:
    """Returns the loss for a number of tokens, given the level of the best constant."""
    return Loss(_losses, num_tokens, _shares_that_are_right, chance)


def _losses(outputs: jax.Array, tokens: jax.Array) -> jax.Array:
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.maximum(tokens, 0))
    return _over_tokens(losses, tokens)


def _shares_that_are_right(outputs: jax.Array, tokens: jax.Array) -> jax.Array:
    return _over_tokens((jnp.argmax(outputs, axis=-1) == tokens).astype(jnp.float32), tokens)


def _over_tokens(values: jax.Array, tokens: jax.Array) -> jax.Array:
    """Returns a number for each example, `[batch]`, whose mean is that over all tokens of the batch."""
    is_counted = tokens >= 0
    mean_number = jnp.maximum(jnp.mean(jnp.sum(is_counted, axis=-1)), 1e-9)
    return jnp.sum(jnp.where(is_counted, values, 0), axis=-1) / mean_number
