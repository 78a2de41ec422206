"""The network in Equinox."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp


class Net(eqx.Module):
    """Starts as Equinox' layers do."""

    convs: list[eqx.nn.Conv2d]
    pool: eqx.nn.MaxPool2d
    dense: list[eqx.nn.Linear]

    def __init__(self, num_classes: int = 10, *, key: jax.Array) -> None:
        keys = jax.random.split(key, 8)
        sizes = (1, 16, 16, 32, 32, 32)
        pairs = itertools.pairwise(sizes)
        self.convs = [eqx.nn.Conv2d(*pair, 3, padding=1, key=k) for pair, k in zip(pairs, keys[:5], strict=True)]
        self.pool = eqx.nn.MaxPool2d(2, 2)
        pairs = itertools.pairwise((128, 128, 64, num_classes))
        self.dense = [eqx.nn.Linear(*pair, key=k) for pair, k in zip(pairs, keys[5:], strict=True)]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps an image `[1, 8, 8]` to logits."""
        for i, conv in enumerate(self.convs):
            x = jax.nn.relu(conv(x))
            if i in (1, 3):
                x = self.pool(x)
        x = jnp.ravel(x)
        for layer in self.dense[:-1]:
            x = jax.nn.relu(layer(x))
        return self.dense[-1](x)
