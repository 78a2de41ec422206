"""Contrastive learning: an encoder finds out which two of many noisy views are of the same thing.

At the start all views look alike to it, and its loss is the logarithm of the number of views among which it guesses.
"""

import math

import jax
import jax.numpy as jnp
import optax
from plateau_engine import Training


def make_trainer(learning_rate, batch_size, size=16, nuisance=3.0):
    """Returns the training of an encoder of two views; the level is that of guessing."""
    optimizer = optax.sgd(learning_rate)

    def views(key):
        """Draws pairs of views `[batch, 2·size]`: half of a view tells what it is of, half of it is loud noise."""
        of_thing, of_noise = jax.random.split(key)
        things = jax.random.rademacher(of_thing, (batch_size, size), jnp.float32)
        noise = jax.random.normal(of_noise, (2, batch_size, size))
        return [jnp.concatenate([things, nuisance * one], axis=1) for one in noise]

    def encode(params, view):
        return jax.nn.relu(view @ params["first"]) @ params["second"]

    def loss_of(params, pair):
        one, other = (encode(params, view) for view in pair)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(one @ other.T, jnp.arange(batch_size)))

    def init(key):
        first, second = jax.random.split(key)
        params = {
            "first": 0.02 * jax.random.normal(first, (2 * size, 64)),
            "second": 0.02 * jax.random.normal(second, (64, 8)),
        }
        return params, optimizer.init(params)

    def step(state, key):
        params, moments = state
        loss, gradient = jax.value_and_grad(loss_of)(params, views(key))
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), loss

    def evaluate(state):
        return jnp.mean(jax.vmap(lambda key: loss_of(state[0], views(key)))(jax.random.split(jax.random.key(1), 8)))

    return Training(init, step, evaluate, chance_loss=math.log(batch_size))
