"""Random changes of training inputs, made on the device for each mini-batch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .. import user_code
from ..arms.arm import Arm
from ..errors import InputError
from ..user_code import is_reference
from .parts import PackedShape

Augment = Callable[[jax.Array, jax.Array], jax.Array]

# One pixel in eight, as four in the thirty-two of CIFAR.
_SHARE_OF_SIDE = 8
_FEW = 2


def has_crop(augment: str) -> bool:
    """Tells whether images are moved."""
    return augment in ("crop", "crop_flip")


def make_augmentation(arm: Arm, example_shape: tuple[int, ...]) -> Augment | None:
    """Returns how training changes images, from (key, images `[batch, height, width, channels]`), or `None`.

    A function of the user's changes inputs of any kind, and is checked by shapes alone. Of the engine's own, every
    image changes by itself: a crop moves it by −padding … padding pixels along both axes, uniformly, and fills the
    border with the image's reflection; a flip exchanges left and right, in half of the cases.
    """
    if arm.augment in (None, "none"):
        return None
    if arm.reconstruct:
        raise InputError(f"augment={arm.augment} changes the images, and with reconstruct=true not their targets")
    if is_reference(arm.augment):
        return _own(arm.augment, example_shape)
    if len(example_shape) != 3:
        raise InputError(
            f"augment={arm.augment} needs images, of height, width and channels: the inputs of "
            f"dataset={arm.dataset} have the shape {example_shape}"
        )
    side = min(example_shape[:2])
    padding = arm.crop_padding or max(1, side // _SHARE_OF_SIDE)
    is_moved, is_flipped = has_crop(arm.augment), arm.augment.endswith("flip")
    if is_moved and padding >= side:
        raise InputError(f"crop_padding={padding}: expected less than the {side} pixels of the images' shorter side")

    def augment(key: jax.Array, images: jax.Array) -> jax.Array:
        crop_key, flip_key = jax.random.split(key)
        if is_moved:
            images = _crop(crop_key, images, padding)
        if is_flipped:
            is_chosen = jax.random.bernoulli(flip_key, 0.5, (len(images), 1, 1, 1))
            images = jnp.where(is_chosen, images[:, :, ::-1], images)
        return images

    return augment


def check_mixup(arm: Arm, example_shape: tuple[int, ...]) -> float:
    """Returns the parameter of the shares in which examples are mixed, 0 for none; raises InputError where none can."""
    if not arm.mixup:
        return 0.0
    if isinstance(example_shape, PackedShape) or arm.reconstruct:
        what = "reconstruct=true" if arm.reconstruct else "several inputs, some of which may be names"
        raise InputError(f"mixup={arm.mixup:g} has no meaning with {what}: leave it out")
    return float(arm.mixup)


def _own(text: str, example_shape: tuple[int, ...]) -> Augment:
    function = user_code.load(text, "augment")
    if not callable(function):
        raise InputError(f"augment={text} is no function: expected one of (key, inputs) that returns inputs")
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    inputs = jax.ShapeDtypeStruct((_FEW, *example_shape), jnp.float32)
    found: Any = user_code.traced(f"augment={text}", function, key, inputs)
    if getattr(found, "shape", None) != inputs.shape or not jnp.issubdtype(found.dtype, jnp.floating):
        what = type(found).__name__ if not hasattr(found, "shape") else f"{found.dtype} {list(found.shape)}"
        raise InputError(f"augment={text} returns {what} for inputs {list(inputs.shape)}: expected such inputs again")
    made: Augment = function
    return made


def _crop(key: jax.Array, images: jax.Array, padding: int) -> jax.Array:
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(images, widths, mode="reflect")
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * padding + 1)

    def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), images.shape[1:])

    return jax.vmap(cut)(padded, corners)
