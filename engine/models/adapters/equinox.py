"""An Equinox module as pure functions."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ...tasks.parts import as_arguments
from ..layouts import channels_first, outputs_first
from ..model import Mode, Model, model_of, parameter_names, switches
from ..variables import in_order, nested


def adapt(make: Callable[..., Any], example_shape: tuple[int, ...]) -> Model:
    """Returns the pure functions of the modules that `make(key=key)` makes, alone or with their state.

    A module is called with one example at a time, with `state` and `key` where it takes them; `inference` tells
    training from evaluation, and with batch statistics, evaluation tells `BatchNorm` layers to use the batch. Its
    floating-point arrays are parameters, other arrays and what `eqx.nn.State` holds are state. Images come with their
    channels first where the module takes them so.
    """
    network = _Network(make, example_shape)
    model = model_of(network.init, network.run)._replace(fans=outputs_first, library="Equinox")
    return channels_first(model, example_shape)


class _Network:
    """A module taken apart: structures and shapes of what is trained and of other arrays, and what is no array."""

    def __init__(self, make: Callable[..., Any], example_shape: tuple[int, ...]) -> None:
        import equinox as eqx

        self._make, self._example_shape = make, example_shape
        module, state = _made(make, jax.random.key(0, impl="threefry2x32"))
        trained, fixed = eqx.partition(module, eqx.is_inexact_array)
        others, self._static = eqx.partition((fixed, state), eqx.is_array)
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(trained)[0]]
        self._names = ["/".join(jax.tree_util.keystr((key,), simple=True) for key in path) for path in paths]
        self._shapes = [leaf.shape for leaf in jax.tree.leaves(trained)]
        self._trained_structure, self._other_structure = map(jax.tree.structure, (trained, others))
        self._arguments = parameter_names(type(module).__call__)
        self._axes = [layer.axis_name for layer in _norms(module)]

    def init(self, key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        import equinox as eqx

        module, state = _made(self._make, key)
        params, fixed = eqx.partition(module, eqx.is_inexact_array)
        # The bias of a convolution is `[units, 1, 1]`, and a vector here, as every other bias.
        named = zip(self._names, jax.tree.leaves(params), strict=True)
        values = {name: leaf.reshape(-1) if name.endswith("bias") else leaf for name, leaf in named}
        return nested(values, "/"), _arrays_of(fixed, state)

    def run(self, mode: Mode, params: Any, kept: Any, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, Any]:
        import equinox as eqx

        module, fixed, state = self._put_together(params, kept)
        module = eqx.nn.inference_mode(module, value=mode != "train")
        if mode == "batch" and self._axes:
            module = eqx.tree_at(lambda m: [n.inference for n in _norms(m)], module, replace=[False] * len(self._axes))

        def one(inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, Any]:
            sources = {"state": state, "key": key}
            given = {name: value for name, value in sources.items() if name in self._arguments}
            args, named = as_arguments(self._example_shape, inputs, self._arguments)
            outputs = module(*args, **named, **given, **switches(self._arguments, mode))
            return outputs if "state" in given else (outputs, state)

        each = jax.vmap(one, out_axes=(0, None), axis_name=self._axes[0] if self._axes else None)
        outputs, new_state = each(inputs, jax.random.split(key, len(inputs)))
        return outputs, _arrays_of(fixed, new_state)

    def _put_together(self, params: Any, kept: Any) -> tuple[Any, Any, Any]:
        """Returns a module with its variables, what of it is not trained, and its state."""
        import equinox as eqx

        values = zip(in_order(params, self._names, "/"), self._shapes, strict=True)
        trained = jax.tree.unflatten(self._trained_structure, [leaf.reshape(shape) for leaf, shape in values])
        others = jax.tree.unflatten(self._other_structure, kept.get("others", []))
        fixed, state = eqx.combine(others, self._static)
        return eqx.combine(trained, fixed), fixed, state


def _arrays_of(fixed: Any, state: Any) -> dict[str, list[jax.Array]]:
    """Returns the arrays of a module that are not trained, and of its state."""
    import equinox as eqx

    found = jax.tree.leaves(eqx.filter((fixed, state), eqx.is_array))
    return {"others": found} if found else {}


def _made(make: Callable[..., Any], key: jax.Array) -> tuple[Any, Any]:
    """Makes a module and its state."""
    import equinox as eqx

    made = make(key=key)
    if isinstance(made, tuple):
        return made
    return eqx.nn.make_with_state(lambda: made)()


def _norms(module: Any) -> Sequence[Any]:
    """Returns the layers of a module that normalise over the batch."""
    import equinox as eqx

    is_norm = lambda node: isinstance(node, eqx.nn.BatchNorm)  # noqa: E731
    return [node for node in jax.tree.leaves(module, is_leaf=is_norm) if is_norm(node)]
