"""Random changes of training images, made on the device for each mini-batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from ..arms.arm import Arm
from ..errors import InputError

Augment = Callable[[jax.Array, jax.Array], jax.Array]

# One pixel in eight, as four in the thirty-two of CIFAR.
_SHARE_OF_SIDE = 8


def has_crop(augment: str) -> bool:
    """Tells whether images are moved."""
    return augment.startswith("crop")


def make_augmentation(arm: Arm, example_shape: tuple[int, ...]) -> Augment | None:
    """Returns how training changes images, from (key, images `[batch, height, width, channels]`), or `None`.

    Every image changes on its own. A crop moves it by −padding … padding pixels along both axes, uniformly, and
    fills the border with the image's reflection. A flip exchanges left and right, in half of the cases.
    """
    if arm.augment in (None, "none"):
        return None
    if arm.reconstruct:
        raise InputError(f"augment={arm.augment} changes the images, and with reconstruct=true not their targets")
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


def _crop(key: jax.Array, images: jax.Array, padding: int) -> jax.Array:
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(images, widths, mode="reflect")
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * padding + 1)

    def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), images.shape[1:])

    return jax.vmap(cut)(padded, corners)
