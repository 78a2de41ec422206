"""Losses of the user's own."""

import jax.numpy as jnp
import optax


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


def uncorrelated(outputs, targets):
    """Has no value for a constant: one minus the correlation over the batch, the same for all of its examples."""
    outputs, targets = outputs - outputs.mean(axis=0), targets - targets.mean(axis=0)
    correlation = (outputs * targets).mean() / jnp.sqrt((outputs**2).mean() * (targets**2).mean())
    return jnp.full(len(outputs), 1 - correlation)


def far_apart(outputs, targets):
    """Is least for a constant, where it is 0, and with larger outputs the worse: what starts small is near it."""
    return jnp.sum((outputs - jnp.roll(outputs, 1, axis=0)) ** 2, axis=-1)


number = 3


def of_tokens(outputs, tokens):
    """Cross-entropy over the tokens that are no padding, as `next_token` has it."""
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.maximum(tokens, 0))
    is_counted = tokens >= 0
    return jnp.sum(jnp.where(is_counted, losses, 0), axis=1) / jnp.mean(jnp.sum(is_counted, axis=1))
