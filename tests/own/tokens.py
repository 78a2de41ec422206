"""Networks that take tokens, in three libraries' ways."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx


class Embedded(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, tokens):
        return nn.Dense(self.num_classes)(nn.Embed(20, 8)(tokens).mean(axis=1))


class NnxEmbedded(nnx.Module):
    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        self.embed = nnx.Embed(20, 8, rngs=rngs)
        self.dense = nnx.Linear(8, num_classes, rngs=rngs)

    def __call__(self, tokens):
        return self.dense(self.embed(tokens).mean(axis=1))


def indexed(num_classes: int):
    def init(key, tokens):
        return {"table": jax.random.normal(key, (20, num_classes))}

    def apply(params, tokens):
        return params["table"][tokens].mean(axis=1)

    return init, apply


class Both(nn.Module):
    """Takes numbers, whole or not."""

    num_classes: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.num_classes)(jnp.tanh(x))
