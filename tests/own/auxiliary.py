"""Networks with a second head, in each library; images of 8×8 numbers."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class Linen(nn.Module):
    """Returns features too, which are no output; the last head is wider with `extra`."""

    extra: int = 0

    @nn.compact
    def __call__(self, x: jax.Array) -> Any:
        early = nn.relu(nn.Dense(16)(x.reshape(len(x), -1)))
        late = nn.relu(nn.Dense(16)(early))
        return nn.Dense(10)(late), nn.Dense(10 + self.extra)(early), late


class Unnamed(Linen):
    @nn.compact
    def __call__(self, x: jax.Array) -> Any:
        first, second, _ = super().__call__(x)
        return {"first": first, "second": second}


def torch(num_classes):
    """Has its second head in training only, as GoogLeNet does."""
    import collections

    import torch

    both = collections.namedtuple("Both", ["logits", "early"])

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.early, self.late = torch.nn.Linear(64, 16), torch.nn.Linear(16, 16)
            self.first, self.second = torch.nn.Linear(16, num_classes), torch.nn.Linear(16, num_classes)

        def forward(self, x):
            early = torch.relu(self.early(x.flatten(1)))
            found = self.first(torch.relu(self.late(early)))
            return both(found, self.second(early)) if self.training else found

    return Net()


def keras(num_classes):
    import keras

    images = keras.Input((8, 8, 1))
    early = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(images))
    late = keras.layers.Dense(16, activation="relu")(early)
    dense = keras.layers.Dense
    return keras.Model(images, {"early": dense(num_classes)(early), "logits": dense(num_classes)(late)})


def haiku(num_classes):
    import haiku as hk

    class Net(hk.Module):
        def __call__(self, x):
            early = jax.nn.relu(hk.Linear(16)(x.reshape(len(x), -1)))
            return hk.Linear(num_classes)(jax.nn.relu(hk.Linear(16)(early))), hk.Linear(num_classes)(early)

    return Net()


def equinox(num_classes, key):
    import equinox as eqx

    class Net(eqx.Module):
        early: eqx.nn.Linear
        late: eqx.nn.Linear
        heads: list[eqx.nn.Linear]

        def __call__(self, x):
            early = jax.nn.relu(self.early(jnp.ravel(x)))
            return [self.heads[0](jax.nn.relu(self.late(early))), self.heads[1](early)]

    keys = jax.random.split(key, 4)
    heads = [eqx.nn.Linear(16, num_classes, key=one) for one in keys[2:]]
    return Net(eqx.nn.Linear(64, 16, key=keys[0]), eqx.nn.Linear(16, 16, key=keys[1]), heads)
