"""What enters the weighted layers of a network, whatever library it was written with.

The network's function is traced, and the trace is evaluated with an eye on where every value comes
from. A product or a convolution of something that depends on the inputs with something that depends
on parameters alone is a weighted layer; the first of the two is what enters it. Layers inside of
loops and branches of the trace are not found.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core as jax_core

_LAYERS = ("dot_general", "conv_general_dilated")
_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "checkpoint",
    "remat",
    "remat2",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
)
_PROGRAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class LayerInput(NamedTuple):
    """What enters a layer.

    Attributes:
        values: `[examples, positions, features]`.
        is_data: whether it is made of the data without any parameter.
    """

    values: jax.Array
    is_data: bool


class _Origin(NamedTuple):
    """Where a value comes from: leaves of the parameters, by number, and the inputs."""

    leaves: frozenset[int]
    is_of_inputs: bool


class _Layer(NamedTuple):
    """A layer in a trace.

    Attributes:
        leaf: of the parameters, the first that its weights depend on.
        feature_axes: of what enters it.
        is_data: see `LayerInput`.
    """

    leaf: int
    feature_axes: tuple[int, ...]
    is_data: bool


class Recording(NamedTuple):
    """A network that says what enters its layers.

    Attributes:
        run: from (params, model state, inputs) to (outputs, what enters each layer), to be given
            the form in which it is computed.
        read: from the latter to the inputs by layer.
        layers: names of the layers, in order.
        data_layers: of those that the data enter.
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
    """The recording of a network.

    Args:
        apply: from (params, model state, inputs) to outputs.
        leaf_names: of the parameters.
        params, state, inputs: their shapes; `inputs` is `[batch, …]`.
    """
    run = _recorded(apply, [])
    layers: list[_Layer] = []
    _, entering = jax.eval_shape(_recorded(apply, layers), params, state, inputs)
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

    of_data = frozenset(name for name, (_, layer, _) in chosen.items() if layer.is_data)
    return Recording(run, read, tuple(chosen), of_data)


def _recorded(
    apply: Callable[..., jax.Array], layers: list[_Layer]
) -> Callable[..., tuple[jax.Array, list[jax.Array]]]:
    """The network with what enters its layers; what they are is added to a list."""

    def run(params: Any, state: Any, inputs: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        closed = jax.make_jaxpr(apply)(params, state, inputs)
        leaves, others = jax.tree.leaves(params), jax.tree.leaves(state)
        origins = [_Origin(frozenset([i]), False) for i in range(len(leaves))]
        origins += [_Origin(frozenset(), False)] * len(others)
        origins += [_Origin(frozenset(), True)]
        found: list[tuple[_Layer, jax.Array]] = []
        args = [*leaves, *others, inputs]
        outputs, _ = _walk(closed.jaxpr, closed.consts, args, origins, found)
        layers.extend(layer for layer, _ in found)
        return outputs[0], [value for _, value in found]

    return run


def _walk(
    jaxpr: Any,
    consts: Sequence[Any],
    args: Sequence[Any],
    origins: Sequence[_Origin],
    found: list[tuple[_Layer, jax.Array]],
) -> tuple[list[Any], list[_Origin]]:
    """Values and origins of a program's outputs; its layers are added to a list."""
    nowhere = _Origin(frozenset(), False)
    known: dict[Any, tuple[Any, _Origin]] = {}

    def read(variable: Any) -> tuple[Any, _Origin]:
        is_literal = isinstance(variable, jax_core.Literal)
        return (variable.val, nowhere) if is_literal else known[variable]

    for variable, const in zip(jaxpr.constvars, consts, strict=True):
        known[variable] = const, nowhere
    for variable, arg, origin in zip(jaxpr.invars, args, origins, strict=True):
        known[variable] = arg, origin
    for eqn in jaxpr.eqns:
        inputs = [read(variable)[0] for variable in eqn.invars]
        sources = [read(variable)[1] for variable in eqn.invars]
        if eqn.primitive.name in _LAYERS:
            found.extend(_layer_of(eqn, inputs, sources))
        inner = _program(eqn)
        if inner is not None and _holds_layer(getattr(inner, "jaxpr", inner)):
            body, own = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
            outputs, targets = _walk(body, own, inputs, sources, found)
        else:
            outputs, targets = _bound(eqn, inputs), [_union(sources)] * len(eqn.outvars)
        known.update(zip(eqn.outvars, zip(outputs, targets, strict=True), strict=True))
    results = [read(variable) for variable in jaxpr.outvars]
    return [value for value, _ in results], [origin for _, origin in results]


def _bound(eqn: Any, inputs: Sequence[Any]) -> list[Any]:
    with eqn.ctx.manager:
        outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _union(origins: Sequence[_Origin]) -> _Origin:
    leaves = frozenset[int]().union(*(origin.leaves for origin in origins))
    return _Origin(leaves, any(origin.is_of_inputs for origin in origins))


def _program(eqn: Any) -> Any:
    """The program that an equation only calls, or `None`."""
    if eqn.primitive.name not in _CALLS:
        return None
    return next((eqn.params[name] for name in _PROGRAMS if name in eqn.params), None)


def _holds_layer(jaxpr: Any) -> bool:
    for eqn in jaxpr.eqns:
        inner = _program(eqn)
        if eqn.primitive.name in _LAYERS:
            return True
        if inner is not None and _holds_layer(getattr(inner, "jaxpr", inner)):
            return True
    return False


def _layer_of(eqn: Any, inputs: Sequence[Any], origins: Sequence[_Origin]) -> list[tuple[_Layer, jax.Array]]:
    """The layer that an equation is, with what enters it; nothing where it is none."""
    for side, other in ((0, 1), (1, 0)):
        weights, entering = origins[other], origins[side]
        if entering.is_of_inputs and weights.leaves and not weights.is_of_inputs:
            layer = _Layer(min(weights.leaves), _feature_axes(eqn, side), not entering.leaves)
            return [(layer, inputs[side])]
    return []


def _feature_axes(eqn: Any, side: int) -> tuple[int, ...]:
    """Axes of an operand over which its layer sums, those of a window apart."""
    numbers = eqn.params["dimension_numbers"]
    if eqn.primitive.name == "dot_general":
        return tuple(numbers[0][side])
    return (numbers.lhs_spec[1],) if side == 0 else (numbers.rhs_spec[1],)


def _grown(shape: tuple[int, ...], longer: tuple[int, ...]) -> int | None:
    """The one axis along which a shape is longer by one, where there is one."""
    grown = [i for i, (n, m) in enumerate(zip(shape, longer, strict=True)) if n != m]
    return grown[0] if len(grown) == 1 and longer[grown[0]] == shape[grown[0]] + 1 else None


def _arranged(values: jax.Array, examples: int, features: tuple[int, ...]) -> jax.Array:
    """Values with their axes as `[examples, positions, features]`."""
    rest = [i for i in range(values.ndim) if i != examples and i not in features]
    ordered = jnp.transpose(values, (examples, *rest, *features))
    num_features = math.prod(values.shape[i] for i in features)
    return ordered.reshape(values.shape[examples], -1, num_features)


def _free(leaf_name: str, taken: Any) -> str:
    """The name of the layer of a parameter, other than those that are taken."""
    name = leaf_name.rpartition("/")[0] or leaf_name
    number, free = 2, name
    while free in taken:
        free, number = f"{name}#{number}", number + 1
    return free
