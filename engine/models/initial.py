"""Initial schemes: how large the random numbers are that a network starts from.

A scheme gives a mean and a standard deviation to every leaf of any parameter tree, and the values are one flat standard
normal draw, scaled and shifted: a scheme is numbers, not a program, so arms that start differently share one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .model import Fans, Model, fans_of
from .registry import SCHEMES

AS_WRITTEN = "as_written"


def _leaves(shapes: Any) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(shapes)
    return [(tuple(jax.tree_util.keystr((key,), simple=True) for key in path), leaf.shape) for path, leaf in flat]


def leaf_names(shapes: Any) -> list[str]:
    """Returns the path of every leaf, with slashes."""
    return ["/".join(path) for path, _ in _leaves(shapes)]


def written_starts(model: Model, inputs: Any) -> Any:
    """Returns the parameters that a network starts from by itself with two seeds, leaves `[2, …]`."""
    if model.written is not None:
        return drawn_by_library(model.written, (0, 1))[0]
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), 2)
    return jax.jit(jax.vmap(lambda key: model.init(key, inputs)[0]))(keys)


def drawn_by_library(written: Callable[[int], Any], seeds: Sequence[int]) -> Any:
    """Returns (params, state) that a library draws on the host with some seeds, leaves `[len(seeds), …]`."""
    drawn: dict[int, Any] = {}
    for seed in seeds:
        drawn[seed] = drawn[seed] if seed in drawn else written(seed)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(drawn[seed] for seed in seeds))


def kept_values(shapes: Any, written: Any = None) -> tuple[float | None, ...]:
    """Returns what each leaf starts at under every scheme, or `None` where the scheme decides.

    The scale of a normalisation layer (a leaf called `scale`) starts at 1 and its bias at 0: the other vectors of its
    length in a module that has vectors alone. Where the parameters `written` by the network are known (see
    `written_starts`), leaves that are one number other than 0 there keep it, and so does a normalisation's scale.
    """
    leaves = _leaves(shapes)
    if written is None:
        starts = [np.full(1, path[-1] == "scale", np.float32) for path, _ in leaves]
    else:
        starts = [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(written)]
    own = [
        float(start.flat[0]) if path[-1] == "scale" or (start.flat[0] != 0 and np.all(start == start.flat[0])) else None
        for (path, _), start in zip(leaves, starts, strict=True)
    ]
    with_matrices = {path[:-1] for path, shape in leaves if len(shape) > 1}
    of_scales = {
        (path[:-1], shape)
        for (path, shape), value in zip(leaves, own, strict=True)
        if value is not None and path[:-1] not in with_matrices
    }
    return tuple(
        0.0 if value is None and (path[:-1], shape) in of_scales else value
        for (path, shape), value in zip(leaves, own, strict=True)
    )


def leaf_laws(
    shapes: Any,
    scheme: str,
    options: Mapping[str, Any],
    kept: tuple[float | None, ...] | None = None,
    fans: Fans = fans_of,
) -> np.ndarray:
    """Returns the mean and the standard deviation of every leaf, `[num_leaves, 2]`, float32; zeros for what is kept."""
    law = SCHEMES.load(scheme).law
    kept = kept_values(shapes) if kept is None else kept
    leaves = _leaves(shapes)
    inputs_of = {path[:-1]: fans(path, shape)[0] for path, shape in leaves if len(shape) >= 2}
    values = []
    for (path, shape), value in zip(leaves, kept, strict=True):
        if value is not None:
            values.append((0.0, 0.0))
        elif len(shape) >= 2:
            found = law(*fans(path, shape), options)
            values.append((found.mean, found.deviation))
        else:
            # What has no weights beside it is one number for each unit, with a fan-in of one.
            values.append((0.0, law(inputs_of.get(path[:-1], 1), 1, options).bias))
    return np.asarray(values, np.float32).reshape(-1, 2)


def draw_params(key: jax.Array, shapes: Any, laws: jax.Array, kept: tuple[float | None, ...] | None = None) -> Any:
    """Draws a parameter tree from `leaf_laws`, which may be traced: every leaf normal, or what is kept."""
    kept = kept_values(shapes) if kept is None else kept
    leaves, tree = jax.tree.flatten(shapes)
    sizes = [math.prod(leaf.shape) for leaf in leaves]
    noise = jax.random.normal(key, (sum(sizes),), jnp.float32)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    drawn = [
        (laws[i, 0] if value is None else value) + laws[i, 1] * noise[offsets[i] : offsets[i + 1]].reshape(leaf.shape)
        for i, (value, leaf) in enumerate(zip(kept, leaves, strict=True))
    ]
    typed = [new.astype(leaf.dtype) for new, leaf in zip(drawn, leaves, strict=True)]
    return jax.tree.unflatten(tree, typed)
