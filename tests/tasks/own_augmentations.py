"""Augmentations of the user's own."""

import jax
import jax.numpy as jnp


def noisy(key, inputs):
    return inputs + jax.random.normal(key, inputs.shape)


def flattened(key, inputs):
    return inputs.reshape(len(inputs), -1)


def raising(key, inputs):
    return inputs["pear"]


def whole(key, inputs):
    return jnp.zeros(inputs.shape, jnp.int32)


number = 3
