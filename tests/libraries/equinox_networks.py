"""Networks of Equinox as people write them, for one example, on images of 8×8 numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp


class CNN(eqx.Module):
    """Normalisation and dropout; the channels come first."""

    conv1: eqx.nn.Conv2d
    norm1: eqx.nn.BatchNorm
    pool: eqx.nn.MaxPool2d
    conv2: eqx.nn.Conv2d
    dropout: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, num_classes=10, dropout=0.0, *, key):
        keys = jax.random.split(key, 3)
        self.conv1 = eqx.nn.Conv2d(1, 8, 3, padding=1, key=keys[0])
        self.norm1 = eqx.nn.BatchNorm(8, "batch", mode="batch")
        self.pool = eqx.nn.MaxPool2d(2, 2)
        self.conv2 = eqx.nn.Conv2d(8, 16, 3, padding=1, key=keys[1])
        self.dropout = eqx.nn.Dropout(dropout)
        self.head = eqx.nn.Linear(256, num_classes, key=keys[2])

    def __call__(self, x, state, key):
        x, state = self.norm1(self.conv1(x), state)
        x = jax.nn.relu(self.conv2(self.pool(jax.nn.relu(x))))
        return self.head(self.dropout(jnp.ravel(x), key=key)), state


class ResNet(eqx.Module):
    stem: eqx.nn.Conv2d
    convs: list
    norms: list
    head: eqx.nn.Linear

    def __init__(self, num_classes=10, *, key):
        keys = jax.random.split(key, 4)
        self.stem = eqx.nn.Conv2d(1, 8, 3, padding=1, key=keys[0])
        self.convs = [eqx.nn.Conv2d(8, 8, 3, padding=1, use_bias=False, key=k) for k in keys[1:3]]
        self.norms = [eqx.nn.BatchNorm(8, "batch", mode="batch") for _ in range(2)]
        self.head = eqx.nn.Linear(8, num_classes, key=keys[3])

    def __call__(self, x, state):
        x = jax.nn.relu(self.stem(x))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y, state = norm(conv(x), state)
            x = jax.nn.relu(x + y)
        return self.head(x.mean(axis=(1, 2))), state


class Transformer(eqx.Module):
    """Rows of an image as tokens."""

    embed: eqx.nn.Linear
    attention: eqx.nn.MultiheadAttention
    norm: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP
    head: eqx.nn.Linear

    def __init__(self, num_classes=10, *, key):
        keys = jax.random.split(key, 4)
        self.embed = eqx.nn.Linear(8, 16, key=keys[0])
        self.attention = eqx.nn.MultiheadAttention(2, 16, key=keys[1])
        self.norm = eqx.nn.LayerNorm(16)
        self.mlp = eqx.nn.MLP(16, 16, 32, 1, key=keys[2])
        self.head = eqx.nn.Linear(16, num_classes, key=keys[3])

    def __call__(self, x):
        x = jax.vmap(self.embed)(x.reshape(8, 8))
        x = jax.vmap(self.norm)(x + self.attention(x, x, x))
        return self.head((x + jax.vmap(self.mlp)(x)).mean(axis=0))


class GRU(eqx.Module):
    """Rows of an image as steps of time."""

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, num_classes=10, *, key):
        keys = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(8, 16, key=keys[0])
        self.head = eqx.nn.Linear(16, num_classes, key=keys[1])

    def __call__(self, x):
        last, _ = jax.lax.scan(lambda hidden, row: (self.cell(row, hidden), None), jnp.zeros(16), x.reshape(8, 8))
        return self.head(last)


def mlp(num_classes=10, *, key):
    """A function that makes a network."""
    return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), eqx.nn.MLP(64, num_classes, 32, 2, key=key)])


made = mlp(key=jax.random.key(0))
