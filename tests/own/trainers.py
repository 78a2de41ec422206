"""Trainers of the user's own, right and wrong ones."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from engine import Training


class State(NamedTuple):
    """A state as users have it: a named tuple with numbers of several types and a key."""

    place: jax.Array
    count: int
    key: jax.Array


def walk(learning_rate, pull=1.0):
    """Gradient descent on (1 − x²)² / 4 · pull from near the hilltop x = 0: the height there is pull / 4."""
    height = lambda x: pull * (1 - x**2) ** 2 / 4  # noqa: E731

    def init(key):
        return State(1e-3 * jax.random.normal(key), 0, key)

    def step(state, key):
        loss, slope = jax.value_and_grad(height)(state.place)
        moved = state.place - learning_rate * slope
        return state._replace(place=moved, count=state.count + 1), loss

    return Training(init, step, lambda state: height(state.place), chance_loss=pull / 4, steps_per_epoch=10)


def nameless(learning_rate, batch_size):
    """Three functions in a plain tuple, without a level; a constant is computed where it is made."""
    shape = (int(jnp.log2(batch_size)),)

    def evaluate(x):
        return 3.00049 + 0 * jnp.sum(x), jnp.float32(0.5)

    return lambda key: jnp.zeros(shape), lambda x, key: (x - learning_rate, jnp.float32(3.0)), evaluate


def noisy():
    """Draws one number in each step, and keeps the last."""
    return Training(
        lambda key: jnp.float32(1.0), lambda x, key: (jax.random.uniform(key), x), lambda x: 0.5 + x, chance_loss=10.0
    )


def deciding():
    return Training(lambda key: jnp.zeros(2), lambda x, key: (x, x.sum()), lambda x: 1.0 if x.sum() > 0 else 2.0)


def growing():
    return Training(lambda key: jnp.zeros(2), lambda x, key: (jnp.append(x, 0), x.sum()), jnp.sum)


def other_type():
    return Training(lambda key: {"n": jnp.int32(0)}, lambda x, key: ({"n": x["n"] / 2}, x["n"] * 1.0), lambda x: 1.0)


def only_state():
    return Training(lambda key: jnp.zeros(2), lambda x, key: x, jnp.sum)


def losses():
    return Training(lambda key: jnp.zeros(2), lambda x, key: (x, x), jnp.sum)


def below():
    return Training(lambda key: jnp.zeros(2), lambda x, key: (x, jnp.sum(x)), lambda x: jnp.sum(x) - 1)


def incomplete():
    return {"init": 1}


def raising():
    return Training(lambda key: {}["pear"], lambda x, key: (x, x), jnp.sum)


def empty():
    return Training(lambda key: (), lambda x, key: (x, 1.0), lambda x: 1.0)


number = 3


def of_batch(batch_size):
    """The level follows from the size of a batch."""
    return Training(lambda key: jnp.zeros(2), lambda x, key: (x, jnp.sum(x)), lambda x: batch_size + jnp.sum(x))


def looking_ahead(learning_rate):
    """What is evaluated depends on the learning rate."""
    return Training(
        lambda key: jnp.float32(1.0), lambda x, key: (x, x), lambda x: x * (1 + learning_rate), chance_loss=2.0
    )


def rising(height=1e3):
    """The loss of a step rises far while that of an evaluation falls."""
    return Training(
        lambda key: jnp.float32(0.0),
        lambda t, key: (t + 1, 1 + height * t),
        lambda t: jnp.exp(-t / 10),
        chance_loss=1.0,
    )


def half_an_epoch():
    return walk(0.1)._replace(steps_per_epoch=390.625)


def two_levels():
    return walk(0.1)._replace(chance_loss=jnp.ones(2))
