"""Networks of the cases that were collected in the third place; most switches turn a mistake on or off."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers


class Pictures(nn.Module):
    """Convolves an image, pools twice and reads it; with `blank` every image is first multiplied by a mask of zeros."""

    num_classes: int = 10
    width: int = 8
    blank: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        mask = jnp.zeros(x.shape[1:]) if self.blank else jnp.ones(x.shape[1:])
        x = x * mask
        for factor in (1, 2):
            x = nn.max_pool(nn.relu(nn.Conv(factor * self.width, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes)(x)


class Windows(nn.Module):
    """Convolves windows `[time, channels]`, keeps the largest of each feature and reads them."""

    num_classes: int = 3
    width: int = 12

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        for _ in range(2):
            x = nn.relu(nn.Conv(self.width, (5,))(x))
            x = nn.max_pool(x, (2,), (2,))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(24)(x.reshape(x.shape[0], -1))))


class Units(nn.Module):
    """Dense layers of one width and one activation before logits."""

    num_classes: int = 6
    width: int = 24
    layers: int = 1
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = getattr(nn, self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(self.num_classes)(x)


class Values(nn.Module):
    """Dense layers of one width and one activation before values."""

    num_outputs: int = 1
    width: int = 24
    layers: int = 2
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.layers):
            x = getattr(nn, self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(self.num_outputs)(x)


class Past(nn.Module):
    """Reads a window of several series by gated units and predicts values from the last state."""

    num_outputs: int = 1
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        states: Any = nn.RNN(nn.GRUCell(self.width))(x)
        return nn.Dense(self.num_outputs)(states[:, -1])


class Stack(nn.Module):
    """Reads a sequence of numbers by layers of LSTM units, one on top of the other."""

    num_classes: int = 2
    width: int = 15
    layers: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        states: Any = x
        for _ in range(self.layers):
            states = nn.RNN(nn.LSTMCell(self.width))(states)
        return nn.Dense(self.num_classes)(states[:, -1])


class Columns(nn.Module):
    """Attends over the columns of a row and reads the last one; as if the sequence came first without `batch_first`."""

    num_classes: int = 4
    num_symbols: int = 12
    width: int = 24
    batch_first: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        places = self.param("places", nn.initializers.normal(1.0), (x.shape[1], self.width))
        x = nn.Embed(self.num_symbols, self.width, embedding_init=nn.initializers.normal(1.0))(x.astype(int)) + places
        for _ in range(2):
            inner = x if self.batch_first else x.swapaxes(0, 1)
            inner = nn.MultiHeadDotProductAttention(num_heads=2)(inner)
            x = nn.LayerNorm()(x + (inner if self.batch_first else inner.swapaxes(0, 1)))
            x = nn.LayerNorm()(x + nn.Dense(self.width)(nn.relu(nn.Dense(2 * self.width)(x))))
        return nn.Dense(self.num_classes)(x[:, -1])


class Normed(nn.Module):
    """Normalises over the batch after every dense layer."""

    num_classes: int = 10
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.Dense(self.width, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(self.num_classes)(x)


class Centred(nn.Module):
    """Takes a cloud of points about its centre, in units of 5 cm, and the largest of each feature of its points."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = 20 * (x - x.mean(axis=1, keepdims=True))
        for width in (24, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(24)(x.max(axis=1))))


class Reader(nn.Module):
    """Blocks of attention over embedded symbols, with places or without, that answer at the last symbol or overall."""

    num_outputs: int = 10
    num_symbols: int = 12
    width: int = 24
    blocks: int = 2
    places: bool = True
    causal: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the outputs of a batch."""
        length = x.shape[1]
        x = nn.Embed(self.num_symbols, self.width)(x.astype(jnp.int32))
        if self.places:
            angles = jnp.arange(length)[:, None] / 100.0 ** (jnp.arange(0, self.width, 2) / self.width)
            x += jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        mask = jnp.tril(jnp.ones((1, 1, length, length), bool)) if self.causal else None
        for _ in range(self.blocks):
            y = nn.LayerNorm()(x)
            x += nn.MultiHeadDotProductAttention(num_heads=2)(y, mask=mask)
            x += nn.Dense(self.width)(nn.relu(nn.Dense(2 * self.width)(nn.LayerNorm()(x))))
        x = nn.LayerNorm()(x)
        return nn.Dense(self.num_outputs)(x[:, -1] if self.causal else x.mean(axis=1))


class Clauses(nn.Module):
    """Treats every clause of a formula alike, lets them look at each other, and adds up what they say."""

    num_classes: int = 2
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of formulas `[batch, clauses, literals]`."""
        for _ in range(2):
            x = nn.relu(nn.Dense(self.width)(x))
            everywhere = jnp.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)
            x = jnp.concatenate([x, everywhere], axis=-1)
        x = nn.relu(nn.Dense(self.width)(x)).mean(axis=1)
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(self.width)(x)))


class Gathering(nn.Module):
    """Keeps what all layers return and adds it up, with weights that a rectified layer chooses for each example."""

    num_classes: int = 5
    deviation: float = 0.1
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        past = [nn.Dense(self.width)(x)]
        for _ in range(3):
            past.append(nn.relu(nn.Dense(self.width)(self._gathered(past))))
        return nn.Dense(self.num_classes)(self._gathered(past))

    def _gathered(self, past: list[jax.Array]) -> jax.Array:
        """Returns the sum of what there is, weighted by the last of it."""
        start = initializers.normal(self.deviation)
        last = nn.RMSNorm()(past[-1])
        weights = nn.relu(nn.Dense(len(past), use_bias=False, kernel_init=start)(last))
        return jnp.einsum("bl,lbw->bw", weights, jnp.stack(past))


class Maps(nn.Module):
    """Predicts a map of 64 values from an image, as an encoder and a decoder of dense layers."""

    num_outputs: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch of maps, row by row."""
        x = x.reshape(x.shape[0], -1)
        for width in (48, 24, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_outputs)(x)


@jax.custom_vjp
def _summed(values: jax.Array) -> jax.Array:
    """Returns the values; their gradient is that of a loss that is summed over the batch."""
    return values


_summed.defvjp(lambda values: (values, None), lambda _, gradient: (gradient * gradient.shape[0],))


class Tastes(nn.Module):
    """Scores all items for a user by products of what it knows of each, under a loss of the mean or of the sum."""

    num_classes: int = 24
    num_users: int = 100
    width: int = 16
    summed: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch of users `[batch, 1]`."""
        start = initializers.normal(0.05)
        users = nn.Embed(self.num_users, self.width, embedding_init=start)(x[:, 0].astype(jnp.int32))
        items = nn.Embed(self.num_classes, self.width, embedding_init=start)(jnp.arange(self.num_classes))
        logits = users @ items.T
        return _summed(logits) if self.summed else logits


class Rows(nn.Module):
    """Dense layers of rectifiers under a loss that is summed over the batch, or its mean."""

    num_classes: int = 10
    summed: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        x = x.reshape(x.shape[0], -1)
        for width in (64, 64):
            x = nn.relu(nn.Dense(width)(x))
        x = nn.Dense(self.num_classes)(x)
        return _summed(x) if self.summed else x


class Forgetful(nn.Module):
    """Reads numbers by gated units and drops a share of their state at each step, or only of the last output."""

    num_classes: int = 2
    width: int = 24
    rate: float = 0.5
    at_the_state: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        """Returns the logits of a batch of sequences `[batch, time, numbers]`."""
        cell = nn.GRUCell(self.width)
        state = jnp.zeros((x.shape[0], self.width))
        drop = nn.Dropout(self.rate, deterministic=not train)
        for time in range(x.shape[1]):
            state, _ = cell(state, x[:, time])
            state = drop(state) if self.at_the_state else state
        return nn.Dense(self.num_classes)(state if self.at_the_state else drop(state))


class Cells(nn.Module):
    """Reads a series and predicts by what one cell holds in the end, or by a linear layer on all of them."""

    num_outputs: int = 1
    width: int = 24
    linear: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the values of a batch."""
        states: Any = nn.RNN(nn.LSTMCell(self.width))(x)
        last = states[:, -1]
        return nn.Dense(self.num_outputs)(last) if self.linear else last[:, : self.num_outputs]


class Siamese(nn.Module):
    """Encodes both signatures of a pair alike and judges them by their distance."""

    num_outputs: int = 1
    floor: float = 0.01

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns how likely both are by the same hand, for pairs `[batch, 2, features]`."""
        for width in (32, 16):
            x = nn.relu(nn.Dense(width)(x))
        squares = jnp.square(x[:, 0] - x[:, 1]).sum(axis=-1, keepdims=True)
        return nn.Dense(self.num_outputs)(jnp.sqrt(squares + self.floor))


class Padded(nn.Module):
    """Attends over the words of a text, of which zeros are padding that gets no weight."""

    num_classes: int = 3
    masked: float = -1e8
    width: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        is_padding = x == 0
        words = nn.Embed(20, self.width)(x.astype(jnp.int32))
        queries, keys, values = (nn.Dense(self.width)(words) for _ in range(3))
        scores = queries @ keys.swapaxes(1, 2) / self.width**0.5
        weights = nn.softmax(jnp.where(is_padding[:, None], self.masked, scores))
        words = nn.relu(nn.Dense(self.width)(weights @ values))
        return nn.Dense(self.num_classes)(words.mean(axis=1))


class Candidates(nn.Module):
    """Scores candidates for an example; its features are repeated for each, in the order of candidates or another."""

    num_outputs: int = 4
    interleaved: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the scores, for inputs that hold the features and then the candidates, `[batch, 1 + 4, size]`."""
        features, candidates = x[:, 0], x[:, 1:]
        count = candidates.shape[1]
        repeated = jnp.repeat(features, count, axis=0) if self.interleaved else jnp.tile(features, (count, 1))
        pairs = jnp.concatenate([repeated, candidates.reshape(-1, x.shape[-1])], axis=1)
        for width in (48, 24):
            pairs = nn.relu(nn.Dense(width)(pairs))
        return nn.Dense(1)(pairs).reshape(-1, count)


class Rebuilt(nn.Module):
    """Estimates parameters; when it was built anew, the optimiser went on with the weights of the old network."""

    num_outputs: int = 2
    stale: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the estimates of a batch."""
        for i, width in enumerate((32, 32, self.num_outputs)):
            shape = (x.shape[-1], width)
            weights = self.param(f"weights{i}", initializers.lecun_normal(), shape)
            biases = self.param(f"biases{i}", initializers.zeros, (width,))
            if self.stale:
                weights = jax.lax.stop_gradient(weights)
                biases = jax.lax.stop_gradient(biases) if i < 2 else biases
            x = x @ weights + biases
            x = nn.relu(x) if i < 2 else x
        return x


class Questions(nn.Module):
    """Reads the words of a question and takes what is left after the padding, or after the last word."""

    num_classes: int = 4
    at_the_word: bool = True
    width: int = 24

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        lengths = (x > 0).sum(axis=1)
        words = nn.Embed(24, 12)(x.astype(jnp.int32))
        states: Any = nn.RNN(nn.LSTMCell(self.width))(words)
        last = jnp.maximum(lengths - 1, 0) if self.at_the_word else jnp.full_like(lengths, x.shape[1] - 1)
        return nn.Dense(self.num_classes)(jnp.take_along_axis(states, last[:, None, None], axis=1)[:, 0])


class Uniform(nn.Module):
    """Layers of sigmoids whose weights start between 0 and 1, or from a standard normal distribution."""

    num_classes: int = 10
    normal: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the logits of a batch."""
        start = initializers.normal(1.0) if self.normal else initializers.uniform(1.0)
        x = x.reshape(x.shape[0], -1)
        for width in (64, 48):
            x = nn.sigmoid(nn.Dense(width, kernel_init=start)(x))
        return nn.Dense(self.num_classes, kernel_init=start)(x)


class Finer(nn.Module):
    """Draws an image of twice the size from a coarse one."""

    num_outputs: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the pixels of a batch, row by row."""
        x = x.reshape(x.shape[0], -1)
        for width in (48, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.num_outputs)(x)
