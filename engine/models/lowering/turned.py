"""Values whose axes lie in another order than the program says: what comes of a convolution stays as it was computed.

A network whose channels come first would turn the axes before and after each convolution. What lies between two of
them, biases, non-linearities and poolings, takes any order, so the axes are turned where something else asks for them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Operations on each element by itself, whose parameters name no axes.
_ELEMENTWISE = frozenset(
    (
        *("add", "sub", "mul", "div", "max", "min", "neg", "abs", "sign", "exp", "exp2", "expm1", "log", "log1p"),
        *(
            "tanh",
            "logistic",
            "erf",
            "erfc",
            "erf_inv",
            "sqrt",
            "rsqrt",
            "cbrt",
            "pow",
            "integer_pow",
            "square",
            "floor",
        ),
        *(
            "ceil",
            "round",
            "sin",
            "cos",
            "is_finite",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "and",
            "or",
            "not",
            "select_n",
        ),
        *("convert_element_type", "stop_gradient", "copy", "copy_p", "clamp", "nextafter", "rem", "atan2"),
    )
)
# Where JAX has its non-linearities.
_FUNCTIONS = "jax/_src/nn/functions.py"
# What may do no more than add axes of one entry, or take them away.
_UNITS = ("reshape", "squeeze", "expand_dims", "broadcast_in_dim")
_SUMS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")


class Turned(NamedTuple):
    """A value, `array` with its axes in the order `axes`: `jnp.transpose(array, axes)`."""

    array: jax.Array
    axes: tuple[int, ...]

    def plain(self) -> jax.Array:
        """Returns the value with its axes as the program has them."""
        return jnp.transpose(self.array, self.axes)

    def like(self, value: Any) -> Any:
        """Returns another value of the program with its axes in the order of this array."""
        if isinstance(value, Turned):
            return value.array if value.axes == self.axes else self.like(value.plain())
        return jnp.transpose(value, np.argsort(self.axes).tolist()) if jnp.ndim(value) == len(self.axes) else value


def turned(array: jax.Array, axes: Sequence[int]) -> Any:
    """Returns the value `jnp.transpose(array, axes)`."""
    axes = tuple(map(int, axes))
    return array if axes == tuple(range(len(axes))) else Turned(array, axes)


def plain(value: Any) -> Any:
    """Returns a value with its axes as the program has them."""
    return value.plain() if isinstance(value, Turned) else value


def transposed(value: Any, axes: Sequence[int]) -> jax.Array:
    """Returns `jnp.transpose` of a value, which may turn nothing."""
    if isinstance(value, Turned):
        return jnp.transpose(value.array, [value.axes[axis] for axis in axes])
    return jnp.transpose(value, axes)


def apply(eqn: Any, inputs: Sequence[Any], bind: Callable[[Any, Sequence[Any]], list[Any]]) -> list[Any] | None:
    """Returns the outputs of an operation that takes turned values as they lie, or `None` where it does not."""
    first = next((value for value in inputs if isinstance(value, Turned)), None)
    name, rank = eqn.primitive.name, eqn.outvars[0].aval.ndim if eqn.outvars else 0
    if first is None:
        return None
    fits = all(jnp.ndim(value) in (0, len(first.axes)) for value in inputs if not isinstance(value, Turned))
    if name in _ELEMENTWISE and fits and rank == len(first.axes):
        return [Turned(out, first.axes) for out in bind(eqn, [first.like(value) for value in inputs])]
    if name == "custom_jvp_call" and _is_relu(eqn):
        return [Turned(jax.nn.relu(first.array), first.axes)]
    if name in _SUMS:
        return [_reduced(eqn, first, bind)]
    if name == "transpose":
        return [turned(first.array, [first.axes[axis] for axis in eqn.params["permutation"]])]
    if name in _UNITS:
        return _with_units(first, eqn.outvars[0].aval.shape)
    return None


def _is_relu(eqn: Any) -> bool:
    """Tells whether an operation with a derivative of its own is `jax.nn.relu`, and no other of that name."""
    info = getattr(getattr(eqn.params["call_jaxpr"], "jaxpr", None), "debug_info", None)
    words = str(getattr(info, "func_src_info", ""))
    return words.startswith("relu at ") and _FUNCTIONS in words


def _with_units(value: Turned, shape: tuple[int, ...]) -> list[Any] | None:
    """Returns a value of another shape that differs in axes of one entry alone, or `None` where it differs more."""
    before = [value.array.shape[axis] for axis in value.axes]
    if [n for n in before if n != 1] != [n for n in shape if n != 1]:
        return None
    # The array keeps the order of its longer axes, and has those of one entry last.
    longer = [axis for axis in value.axes if value.array.shape[axis] != 1]
    places = np.argsort(np.argsort(longer)).tolist()
    units = iter(range(len(longer), len(shape)))
    array = value.array.reshape(*[n for n in value.array.shape if n != 1], *[1] * (len(shape) - len(longer)))
    rest = iter(places)
    return [turned(array, [next(units) if n == 1 else next(rest) for n in shape])]


def _reduced(eqn: Any, value: Turned, bind: Callable[[Any, Sequence[Any]], list[Any]]) -> jax.Array:
    """Reduces over axes of the program; what is left has them in its order."""
    over = [value.axes[axis] for axis in eqn.params["axes"]]
    left = [axis for axis in value.axes if axis not in over]
    [out] = bind(eqn.replace(params={**eqn.params, "axes": tuple(sorted(over))}), [value.array])
    return jnp.transpose(out, np.argsort(np.argsort(left)).tolist())


def windowed(eqn: Any, value: Turned) -> Any:
    """Returns a pooling over windows of the program's axes as one over those of the array.

    It is `None` where windows would be gone through in another order, which decides between equal values.
    """
    where = np.argsort(value.axes)
    pooled = [axis for axis in where if eqn.params["window_dimensions"][axis] > 1]
    if pooled != sorted(pooled):
        return None
    names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    return eqn.replace(params={**eqn.params, **{n: tuple(eqn.params[n][axis] for axis in where) for n in names}})
