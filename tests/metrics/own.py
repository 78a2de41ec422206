"""Metrics of the user's own."""

import jax.numpy as jnp


def margin(outputs, targets):
    """Mean distance between the two largest outputs."""
    ordered = jnp.sort(outputs, axis=-1)
    return jnp.mean(ordered[:, -1] - ordered[:, -2])


def number_right(outputs, targets):
    """A whole number, of all examples together."""
    return jnp.sum(jnp.argmax(outputs, axis=-1) == targets)


def of_each(outputs, targets):
    return jnp.argmax(outputs, axis=-1) == targets


def raising(outputs, targets):
    return outputs["logits"]


def undefined(outputs, targets):
    return jnp.log(-jnp.mean(outputs**2))


pear = 3
