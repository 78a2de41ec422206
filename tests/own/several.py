"""Networks with two inputs, tokens `[batch, 4]` and numbers `[batch, 3]`, in Flax and plain functions."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx


class ByName(nn.Module):
    """Takes its inputs by their names."""

    num_classes: int

    @nn.compact
    def __call__(self, tokens, numbers, train=False):
        hidden = nn.Embed(9, 8)(tokens).mean(axis=1) + nn.Dense(8)(numbers)
        return nn.Dense(self.num_classes)(nn.Dropout(0.1, deterministic=not train)(nn.relu(hidden)))


class AsOne(nn.Module):
    """Takes a dictionary."""

    num_classes: int

    @nn.compact
    def __call__(self, batch):
        return nn.Dense(self.num_classes)(nn.Embed(9, 8)(batch["tokens"]).mean(axis=1) + nn.Dense(8)(batch["numbers"]))


class Nnx(nnx.Module):
    def __init__(self, num_classes, *, rngs):
        self.table = nnx.Embed(9, 8, rngs=rngs)
        self.dense = nnx.Linear(3, 8, rngs=rngs)
        self.last = nnx.Linear(8, num_classes, rngs=rngs)

    def __call__(self, tokens, numbers):
        return self.last(nnx.relu(self.table(tokens).mean(axis=1) + self.dense(numbers)))


def functions(num_classes):
    def init(key, batch):
        assert batch["tokens"].dtype == jnp.int32
        one, other = jax.random.split(key)
        return {
            "table": 0.1 * jax.random.normal(one, (9, num_classes)),
            "w": 0.1 * jax.random.normal(other, (3, num_classes)),
        }

    def apply(params, batch):
        return params["table"][batch["tokens"]].mean(axis=1) + batch["numbers"] @ params["w"]

    return init, apply
