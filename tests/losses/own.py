"""Losses of the user's own."""

import jax.numpy as jnp


def cubic(outputs, targets):
    """On values."""
    return jnp.mean(jnp.abs(outputs - targets) ** 3, axis=-1)


def per_batch(outputs, targets):
    return jnp.mean((outputs - targets) ** 2)


def raising(outputs, targets):
    return outputs["logits"]


def unbounded(outputs, targets):
    return jnp.mean(outputs, axis=-1)


def at_zero(outputs, targets):
    """Negative at its best."""
    return jnp.mean((outputs - 1) ** 2, axis=-1) - 2


number = 3
