"""Where libraries other than Flax keep the axes of weights and images."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .model import Model, with_applies

_IMAGE_AXES = 3


def outputs_first(path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns inputs and outputs of a weight `[outputs, inputs, …]`, times the positions of a convolution."""
    receptive = math.prod(shape[2:])
    return receptive * shape[1], receptive * shape[0]


def channels_first(model: Model, example_shape: tuple[int, ...]) -> Model:
    """Returns a network that gets images, `[batch, height, width, channels]` here, with their channels first.

    It gets them as they are where only that fits it.
    """
    if len(example_shape) != _IMAGE_AXES:
        return model
    turned = _turned(model)
    return model if not _takes(turned, example_shape) and _takes(model, example_shape) else turned


def _turned(model: Model) -> Model:
    def with_turned(apply: Callable[..., Any]) -> Callable[..., Any]:
        return lambda params, state, inputs, *key: apply(params, state, jnp.moveaxis(inputs, -1, 1), *key)

    return with_applies(
        model._replace(init=lambda key, inputs: model.init(key, jnp.moveaxis(inputs, -1, 1))), with_turned
    )


def _takes(model: Model, example_shape: tuple[int, ...]) -> bool:
    """Tells whether a network can be called with such examples."""
    example = jax.ShapeDtypeStruct((2, *example_shape), jnp.float32)
    try:
        params, state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), example)
        jax.eval_shape(model.batch_apply, params, state, example)
    except Exception:
        return False
    return True
