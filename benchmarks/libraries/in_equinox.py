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


class _Normed(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm

    def __init__(self, inputs: int, width: int, side: int, stride: int = 1, *, key: jax.Array) -> None:
        self.conv = eqx.nn.Conv2d(inputs, width, side, stride, padding=side // 2, use_bias=False, key=key)
        self.norm = eqx.nn.BatchNorm(width, "batch", mode="batch")

    def __call__(self, x: jax.Array, state: eqx.nn.State) -> tuple[jax.Array, eqx.nn.State]:
        return self.norm(self.conv(x), state)


class Residual(eqx.Module):
    """A stem and three blocks of 16, 32 and 32 channels, with batch statistics, read by the mean of the image."""

    stem: _Normed
    blocks: list[tuple[_Normed, ...]]
    head: eqx.nn.Linear

    def __init__(self, num_classes: int = 10, *, key: jax.Array) -> None:
        keys = iter(jax.random.split(key, 9))
        self.stem, self.blocks = _Normed(1, 16, 3, key=next(keys)), []
        for inputs, width, stride in ((16, 16, 1), (16, 32, 2), (32, 32, 1)):
            pair = _Normed(inputs, width, 3, stride, key=next(keys)), _Normed(width, width, 3, key=next(keys))
            is_same = inputs == width and stride == 1
            self.blocks.append(pair if is_same else (*pair, _Normed(inputs, width, 1, stride, key=next(keys))))
        self.head = eqx.nn.Linear(32, num_classes, key=next(keys))

    def __call__(self, x: jax.Array, state: eqx.nn.State) -> tuple[jax.Array, eqx.nn.State]:
        """Maps an image `[1, 8, 8]` to logits."""
        x, state = self.stem(x, state)
        x = jax.nn.relu(x)
        for first, second, *shortcut in self.blocks:
            y, state = first(x, state)
            y, state = second(jax.nn.relu(y), state)
            for projection in shortcut:
                x, state = projection(x, state)
            x = jax.nn.relu(x + y)
        return self.head(x.mean((1, 2))), state


class Attention(eqx.Module):
    """Rows of an image as tokens, and two blocks of four heads, normalised after each part."""

    embed: eqx.nn.Linear
    positions: jax.Array
    heads: list[eqx.nn.MultiheadAttention]
    dense: list[eqx.nn.MLP]
    norms: list[eqx.nn.LayerNorm]
    last: eqx.nn.Linear

    def __init__(self, num_classes: int = 10, *, key: jax.Array) -> None:
        keys = jax.random.split(key, 7)
        self.embed = eqx.nn.Linear(8, 32, key=keys[0])
        self.positions = 0.02 * jax.random.normal(keys[1], (8, 32))
        biases = dict.fromkeys(("use_query_bias", "use_key_bias", "use_value_bias", "use_output_bias"), True)
        self.heads = [eqx.nn.MultiheadAttention(4, 32, **biases, key=k) for k in keys[2:4]]
        self.dense = [eqx.nn.MLP(32, 32, 64, 1, key=k) for k in keys[4:6]]
        self.norms = [eqx.nn.LayerNorm(32) for _ in range(4)]
        self.last = eqx.nn.Linear(32, num_classes, key=keys[6])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps an image `[1, 8, 8]` to logits."""
        x = jax.vmap(self.embed)(x.reshape(8, 8)) + self.positions
        for i, (heads, dense) in enumerate(zip(self.heads, self.dense, strict=True)):
            x = jax.vmap(self.norms[2 * i])(x + heads(x, x, x))
            x = jax.vmap(self.norms[2 * i + 1])(x + jax.vmap(dense)(x))
        return self.last(x.mean(0))


class Recurrent(eqx.Module):
    """Rows of an image as steps of a long short-term memory."""

    cell: eqx.nn.LSTMCell
    last: eqx.nn.Linear

    def __init__(self, num_classes: int = 10, *, key: jax.Array) -> None:
        keys = jax.random.split(key)
        self.cell = eqx.nn.LSTMCell(8, 32, key=keys[0])
        self.last = eqx.nn.Linear(32, num_classes, key=keys[1])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps an image `[1, 8, 8]` to logits."""
        start = (jnp.zeros(32), jnp.zeros(32))
        (hidden, _), _ = jax.lax.scan(lambda kept, row: (self.cell(row, kept), None), start, x.reshape(8, 8))
        return self.last(hidden)
