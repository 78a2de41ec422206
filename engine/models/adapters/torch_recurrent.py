"""PyTorch's recurrent layers as loops over time, in place of the steps that torchax writes out one after the other."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# From (what the step before has left, what comes from the inputs, weights and bias of what was left) to what is left.
_Cell = Callable[[tuple[jax.Array, ...], jax.Array, jax.Array, jax.Array | float], tuple[jax.Array, ...]]


def _lstm(kept: tuple[jax.Array, ...], given: jax.Array, weights: jax.Array, bias: Any) -> tuple[jax.Array, ...]:
    hidden, cell = kept
    write, forget, new, read = jnp.split(given + hidden @ weights + bias, 4, axis=-1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(write) * jnp.tanh(new)
    return jax.nn.sigmoid(read) * jnp.tanh(cell), cell


def _gru(kept: tuple[jax.Array, ...], given: jax.Array, weights: jax.Array, bias: Any) -> tuple[jax.Array, ...]:
    (hidden,) = kept
    (reset, update, new), (from_reset, from_update, from_new) = (
        jnp.split(part, 3, axis=-1) for part in (given, hidden @ weights + bias)
    )
    update = jax.nn.sigmoid(update + from_update)
    new = jnp.tanh(new + jax.nn.sigmoid(reset + from_reset) * from_new)
    return ((1 - update) * new + update * hidden,)


def _simple(activation: Callable[[jax.Array], jax.Array]) -> _Cell:
    return lambda kept, given, weights, bias: (activation(given + kept[0] @ weights + bias),)


_CELLS: dict[str, _Cell] = {"lstm": _lstm, "gru": _gru, "rnn_tanh": _simple(jnp.tanh), "rnn_relu": _simple(jax.nn.relu)}


@contextlib.contextmanager
def as_loops() -> Iterator[None]:
    """Lets `RNN`, `LSTM` and `GRU` run as loops, as long as the block lasts.

    Layers with a projection, and those with dropout between them, in training, stay as they are.
    """
    from torch import _VF

    for name in _CELLS:
        setattr(_VF, name, functools.partial(_called, name, getattr(_VF, name)))
    try:
        yield
    finally:
        # They are found elsewhere again.
        for name in _CELLS:
            delattr(_VF, name)


def _called(name: str, as_written: Callable[..., Any], *args: Any) -> Any:
    from torchax import interop

    if not isinstance(args[2], (list, tuple)):
        return as_written(*args)
    inputs, start, weights, has_biases, num_layers, dropout, is_training, is_bidirectional, batch_first = args
    directions, each = 1 + is_bidirectional, 4 if has_biases else 2
    if (dropout and is_training and num_layers > 1) or len(weights) != num_layers * directions * each:
        return as_written(*args)
    run = functools.partial(_run, _CELLS[name], directions, batch_first)
    own = [weights[i * each : (i + 1) * each] for i in range(num_layers * directions)]
    return interop.call_jax(run, inputs, tuple(start) if isinstance(start, (tuple, list)) else (start,), own)


def _run(
    cell: _Cell,
    directions: int,
    batch_first: bool,
    inputs: jax.Array,
    start: tuple[jax.Array, ...],
    weights: Sequence[Sequence[jax.Array]],
) -> tuple[jax.Array, ...]:
    """Returns outputs, `[steps, batch, …]` or with the batch first, and what is left at the end, for each layer."""
    values = jnp.swapaxes(inputs, 0, 1) if batch_first else inputs
    start = tuple(part.astype(jnp.result_type(values, *weights[0])) for part in start)
    ends = []
    for first in range(0, len(weights), directions):
        found = [
            _pass(cell, values, tuple(part[i] for part in start), weights[i], is_reversed=i > first)
            for i in range(first, first + directions)
        ]
        values = jnp.concatenate([outputs for outputs, _ in found], axis=-1)
        ends += [end for _, end in found]
    outputs = jnp.swapaxes(values, 0, 1) if batch_first else values
    return outputs, *(jnp.stack(part) for part in zip(*ends, strict=True))


def _pass(
    cell: _Cell, values: jax.Array, start: tuple[jax.Array, ...], weights: Sequence[jax.Array], is_reversed: bool
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Runs one layer in one direction."""
    of_inputs, of_kept, *biases = (array.T for array in weights)
    of_given, bias = biases or (0.0, 0.0)

    def step(kept: tuple[jax.Array, ...], value: jax.Array) -> tuple[tuple[jax.Array, ...], jax.Array]:
        # Taking the product of all steps at once moves more memory than it saves.
        new = cell(kept, value @ of_inputs + of_given, of_kept, bias)
        return new, new[0]

    end, outputs = lax.scan(step, start, values, reverse=is_reversed)
    return outputs, end
