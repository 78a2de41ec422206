"""Initial schemes: how large the random numbers are that a network starts from.

A scheme is laid over any parameter tree. It gives a standard deviation to every leaf, and the
values are one flat standard normal draw, scaled: a scheme is numbers, not a program, so arms that
start differently share one.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Scheme(NamedTuple):
    """An initial scheme.

    Attributes:
        used: the fields of an arm that it reads, with its defaults.
        kernel: from (fan in, fan out, scale) to the standard deviation of a weight.
        bias: from scale to the standard deviation of a bias.
    """

    used: dict[str, float]
    kernel: Callable[[int, int, float], float]
    bias: Callable[[float], float]


def _no_bias(scale: float) -> float:
    return 0.0


SCHEMES: dict[str, Scheme] = {
    "normal": Scheme({"init_scale": 0.05}, lambda i, o, scale: scale, lambda scale: scale),
    # He, Zhang, Ren and Sun (2015)
    "he": Scheme({}, lambda i, o, scale: math.sqrt(2.0 / i), _no_bias),
    # Glorot and Bengio (2010)
    "glorot": Scheme({}, lambda i, o, scale: math.sqrt(2.0 / (i + o)), _no_bias),
    # LeCun, Bottou, Orr and Müller (1998)
    "lecun": Scheme({}, lambda i, o, scale: math.sqrt(1.0 / i), _no_bias),
}


def _is_norm_leaf(path: tuple[Any, ...], norm_modules: set[tuple[Any, ...]]) -> bool:
    return path[:-1] in norm_modules


def _leaves(shapes: Any) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(shapes)
    return [(tuple(str(getattr(k, "key", k)) for k in path), leaf.shape) for path, leaf in flat]


def leaf_scales(shapes: Any, scheme: str, init_scale: float | None) -> np.ndarray:
    """The standard deviation of every leaf, shape `[num_leaves]`, float32.

    Normalisation layers (modules that own a `scale`) get 0 under every scheme: they start at
    scale 1 and bias 0.

    Args:
        shapes: the parameter tree, of arrays or `ShapeDtypeStruct`.
        scheme: one of `SCHEMES`.
        init_scale: the scheme's scale, where it uses one.
    """
    leaves = _leaves(shapes)
    norm_modules = {path[:-1] for path, _ in leaves if path[-1] == "scale"}
    chosen = SCHEMES[scheme]
    scale = 0.0 if init_scale is None else init_scale
    values = []
    for path, shape in leaves:
        if _is_norm_leaf(path, norm_modules):
            values.append(0.0)
        elif len(shape) >= 2:
            receptive = math.prod(shape[:-2])
            values.append(chosen.kernel(receptive * shape[-2], receptive * shape[-1], scale))
        else:
            values.append(chosen.bias(scale))
    return np.asarray(values, np.float32)


def draw_params(key: jax.Array, shapes: Any, scales: jax.Array) -> Any:
    """A parameter tree: every leaf normal with its standard deviation, around 0 (1 for `scale`).

    Args:
        key: of the run's `init` stream.
        shapes: the parameter tree, of `ShapeDtypeStruct`.
        scales: from `leaf_scales`, shape `[num_leaves]`; may be traced.
    """
    names = [path[-1] for path, _ in _leaves(shapes)]
    leaves, tree = jax.tree.flatten(shapes)
    sizes = [math.prod(leaf.shape) for leaf in leaves]
    noise = jax.random.normal(key, (sum(sizes),), jnp.float32)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    drawn = [
        (1.0 if name == "scale" else 0.0)
        + scales[i] * noise[offsets[i] : offsets[i + 1]].reshape(leaf.shape)
        for i, (name, leaf) in enumerate(zip(names, leaves, strict=True))
    ]
    return jax.tree.unflatten(tree, drawn)
