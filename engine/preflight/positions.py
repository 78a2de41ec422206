"""What outputs have to do with the positions of texts and series: their order, and which of them they depend on."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

# Dimensions of a batch of tokens, and of one of series: examples, positions, and numbers of each.
_TEXT, _SERIES = 2, 3
_MOST = 64


def has_positions(inputs: jax.Array) -> bool:
    """Whether inputs are texts or series, which have one position after the other."""
    is_text = jnp.issubdtype(inputs.dtype, jnp.integer) and inputs.ndim == _TEXT
    return is_text or (jnp.issubdtype(inputs.dtype, jnp.floating) and inputs.ndim == _SERIES)


def seen(apply: Callable[[jax.Array], jax.Array], inputs: jax.Array) -> jax.Array:
    """Returns for positions of texts or series, evenly spread, how far the outputs depend on them; NaN: not to be told.

    A number that is none spreads to all outputs that depend on it, however little: then it is 1, else 0. Of tokens it
    is the change of the outputs when the next example's token stands there, which tells nothing where all are alike.
    """
    places = np.unique(np.linspace(0, inputs.shape[1] - 1, min(inputs.shape[1], _MOST)).round().astype(int))
    if jnp.issubdtype(inputs.dtype, jnp.floating):
        spoilt = lambda place: jnp.any(jnp.isnan(apply(inputs.at[:, place].set(jnp.nan))))  # noqa: E731
        return jax.lax.map(spoilt, jnp.asarray(places)).astype(jnp.float32)
    outputs, others = apply(inputs), jnp.roll(inputs, 1, axis=0)

    def change(place: jax.Array) -> jax.Array:
        moved = root_mean_square(apply(inputs.at[:, place].set(others[:, place])) - outputs)
        return jnp.where(jnp.all(others[:, place] == inputs[:, place]), jnp.nan, moved)

    return jax.lax.map(change, jnp.asarray(places))


def reordered(apply: Callable[[jax.Array], jax.Array], inputs: jax.Array, outputs: jax.Array) -> jax.Array:
    """Returns how far outputs move when positions of series or texts change places, over how far examples differ."""
    if not has_positions(inputs):
        return jnp.ones(())
    shuffled = inputs[:, np.random.default_rng(0).permutation(inputs.shape[1])]
    moved = root_mean_square(apply(shuffled) - outputs) / root_mean_square(outputs - jnp.mean(outputs, axis=0))
    return jnp.where(jnp.all(shuffled == inputs), 1, moved)


def root_mean_square(values: jax.Array) -> jax.Array:
    """Returns the root mean square of all values, in single precision."""
    return jnp.sqrt(jnp.mean(jnp.square(values.astype(jnp.float32))))
