"""Finds what enters the weighted layers of a network, whatever library it was written with.

The network is traced, and the trace is evaluated while following where every value comes from. A weighted layer is a
product or convolution of something that depends on the inputs with something that depends on parameters alone; what
enters it is the first of the two. Layers inside loops and branches of the trace are not found.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...models.jaxpr import Read, bind, equations, evaluate

_LAYERS = ("dot_general", "conv_general_dilated")
_CALLS = (
    *("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
)
_PROGRAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class LayerInput(NamedTuple):
    """What enters a layer, `[examples, positions, features]`, and whether no parameter affects it."""

    values: jax.Array
    is_data: bool


class _Traced(NamedTuple):
    """A value, the parameter leaves (by number) that it depends on, and whether it depends on the inputs."""

    value: Any
    leaves: frozenset[int] = frozenset()
    is_of_inputs: bool = False


class _Layer(NamedTuple):
    """A layer in a trace: the first parameter leaf of its weights, and the feature axes of what enters it."""

    leaf: int
    feature_axes: tuple[int, ...]
    is_data: bool


class Recording(NamedTuple):
    """A network that also returns what enters its layers; its convolutions are native.

    `run` goes from (params, model state, inputs) to (outputs, captured), `read` from captured to each layer's input.
    """

    run: Callable[[Any, Any, jax.Array], tuple[jax.Array, list[jax.Array]]]
    read: Callable[[list[jax.Array]], dict[str, LayerInput]]
    layers: tuple[str, ...]
    data_layers: frozenset[str]


def record(
    apply: Callable[[Any, Any, jax.Array], jax.Array],
    leaf_names: Sequence[str],
    params: Any,
    state: Any,
    inputs: jax.ShapeDtypeStruct,
) -> Recording:
    """Returns the recording of a network, from the shapes of its parameters, state and inputs `[batch, …]`."""
    layers: list[_Layer] = []
    _, entering = jax.eval_shape(functools.partial(_run, apply, layers), params, state, inputs)
    run = functools.partial(_run, apply, [])
    # The axis of the examples is the one that grows with the batch.
    more = jax.ShapeDtypeStruct((inputs.shape[0] + 1, *inputs.shape[1:]), inputs.dtype)
    _, longer = jax.eval_shape(run, params, state, more)
    axes = [_grown(a.shape, b.shape) for a, b in zip(entering, longer, strict=True)]
    chosen: dict[str, tuple[int, _Layer, int]] = {}
    for index, (layer, axis) in enumerate(zip(layers, axes, strict=True)):
        if axis is not None and axis not in layer.feature_axes:
            chosen[_free(leaf_names[layer.leaf], chosen)] = (index, layer, axis)

    def read(entering: list[jax.Array]) -> dict[str, LayerInput]:
        return {
            name: LayerInput(_arranged(entering[index], axis, layer.feature_axes), layer.is_data)
            for name, (index, layer, axis) in chosen.items()
        }

    data_layers = frozenset(name for name, (_, layer, _) in chosen.items() if layer.is_data)
    return Recording(run, read, tuple(chosen), data_layers)


def _run(
    apply: Callable[..., jax.Array], layers: list[_Layer], params: Any, state: Any, inputs: jax.Array
) -> tuple[jax.Array, list[jax.Array]]:
    """Returns the outputs and what enters each layer, and appends the layers to a list."""
    args = [_Traced(leaf, frozenset([i])) for i, leaf in enumerate(jax.tree.leaves(params))]
    args += [*map(_Traced, jax.tree.leaves(state)), _Traced(inputs, is_of_inputs=True)]
    entering: list[jax.Array] = []

    def rule(eqn: Any, read: Read) -> list[_Traced]:
        operands = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in _LAYERS:
            for side, weights in ((0, operands[1]), (1, operands[0])):
                value, leaves, is_of_inputs = operands[side]
                if is_of_inputs and weights.leaves and not weights.is_of_inputs:
                    layers.append(_Layer(min(weights.leaves), _feature_axes(eqn, side), not leaves))
                    entering.append(value)
        for called in _called(eqn):
            if any(inner.primitive.name in _LAYERS for inner in equations(called, _called)):
                return evaluate(called, operands, rule, _Traced)
        leaves = frozenset[int]().union(*(operand.leaves for operand in operands))
        is_of_inputs = any(operand.is_of_inputs for operand in operands)
        return [_Traced(v, leaves, is_of_inputs) for v in bind(eqn, [operand.value for operand in operands])]

    (outputs,) = evaluate(jax.make_jaxpr(apply)(params, state, inputs), args, rule, _Traced)
    return outputs.value, entering


def _called(eqn: Any) -> Iterator[Any]:
    """Yields the program that an equation only calls."""
    if eqn.primitive.name in _CALLS:
        yield from [eqn.params[name] for name in _PROGRAMS if name in eqn.params][:1]


def _feature_axes(eqn: Any, side: int) -> tuple[int, ...]:
    numbers = eqn.params["dimension_numbers"]
    if eqn.primitive.name == "dot_general":
        return tuple(numbers[0][side])
    return (numbers.lhs_spec[1],) if side == 0 else (numbers.rhs_spec[1],)


def _grown(shape: tuple[int, ...], longer: tuple[int, ...]) -> int | None:
    grown = [i for i, (n, m) in enumerate(zip(shape, longer, strict=True)) if n != m]
    return grown[0] if len(grown) == 1 and longer[grown[0]] == shape[grown[0]] + 1 else None


def _arranged(values: jax.Array, examples: int, features: tuple[int, ...]) -> jax.Array:
    """Returns values with their axes as `[examples, positions, features]`."""
    rest = [i for i in range(values.ndim) if i != examples and i not in features]
    ordered = jnp.transpose(values, (examples, *rest, *features))
    return ordered.reshape(values.shape[examples], -1, math.prod(values.shape[i] for i in features))


def _free(leaf_name: str, taken: Any) -> str:
    """Returns the name of a parameter's layer, numbered where the name is taken."""
    name = leaf_name.rpartition("/")[0] or leaf_name
    number, free = 2, name
    while free in taken:
        free, number = f"{name}#{number}", number + 1
    return free
