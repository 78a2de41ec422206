"""Reads an image of any kind that Pillow knows as an array of a given shape, as a person sees it.

It is turned as its EXIF entry says, the first of several frames is taken, what is transparent lies on white. Where some
grey image has 16 bits all have; everything else has 8.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import one_line

Source = Path | bytes

# Not those that Pillow hands to other programs, nor those that could be any text.
FORMATS = (
    "PNG", "JPEG", "MPO", "BMP", "WEBP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO",
)  # fmt: skip
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_16_BITS = 2**16 - 1
_LONGEST_REASON = 80


class UnreadableError(Exception):
    """An image cannot be read; the message is the reason, in a few words."""


class NotAnImageError(UnreadableError):
    """It does not look like an image."""


class Look(NamedTuple):
    """What the head of an image tells: height and width as displayed, and what it may hold."""

    size: tuple[int, int]
    is_colour: bool
    is_transparent: bool
    has_frames: bool


class Shape(NamedTuple):
    """What all images are brought to: height and width in pixels, and three channels or one.

    `crop` keeps the middle, `pad` keeps everything and adds black, `stretch` changes the proportions.
    """

    size: tuple[int, int]
    is_colour: bool
    resize: str


def look(source: Source) -> Look:
    """Reads the head of an image; raises UnreadableError where it cannot."""
    with _opened(source) as image:
        height, width = image.height, image.width
        # Only these have it in their head; in a PNG it may come after the pixels.
        if image.format in ("JPEG", "MPO", "WEBP", "TIFF"):
            turn = image.getexif().get(_ORIENTATION)
            height, width = (width, height) if turn in _TURNED else (height, width)
        return Look(
            size=(height, width),
            is_colour=_is_colour(image),
            is_transparent=image.has_transparency_data,
            # A photograph with a preview is one picture.
            has_frames=bool(getattr(image, "is_animated", False)) and image.format != "MPO",
        )


def decode(source: Source, shape: Shape) -> np.ndarray:
    """Returns the pixels of an image, `[height, width, channels]`, uint8 or uint16; raises UnreadableError."""
    from PIL import ImageOps

    with _opened(source) as image:
        # A JPEG can be read at a half, a quarter or an eighth of its size.
        image.draft(None, (2 * shape.size[1], 2 * shape.size[0]))
        image = _in_mode(ImageOps.exif_transpose(image), shape.is_colour)
        pixels = np.asarray(_to_size(image, shape))
    if pixels.dtype == np.float32:
        pixels = np.clip(np.rint(pixels), 0, _16_BITS).astype(np.uint16)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3 if shape.is_colour else 1, axis=-1)
    return pixels


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """Opens an image, and turns whatever its decoder raises into an UnreadableError."""
    from PIL import Image, UnidentifiedImageError

    try:
        if isinstance(source, Path) and not source.is_file():
            raise UnreadableError("no file" if source.exists() else "leads nowhere")
        if isinstance(source, Path) and not source.stat().st_size:
            raise UnreadableError("empty file")
        Image.init()
        formats = [name for name in FORMATS if name in Image.OPEN]
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=formats) as image:
            yield image
    except UnidentifiedImageError:
        raise NotAnImageError("no image") from None
    except UnreadableError:
        raise
    except Exception as error:  # decoders of damaged files raise anything
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableError(one_line(words)[:_LONGEST_REASON]) from None


def _is_colour(image: Any) -> bool:
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return False
    if image.mode in ("P", "PA") and (palette := image.getpalette()):
        entries = np.asarray(palette).reshape(-1, 3)
        return bool((entries != entries[:, :1]).any())
    return True


def _in_mode(image: Any, is_colour: bool) -> Any:
    """Returns the image in colour, in grey, or, with 16 bits, in floating-point greys."""
    from PIL import Image

    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > _16_BITS:
            raise UnreadableError("more than 16 bits a pixel")
        return Image.fromarray(values.astype(np.float32))
    if image.mode == "F":
        raise UnreadableError("floating-point pixels, whose white is not known")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert("RGB" if is_colour else "L")


def _to_size(image: Any, shape: Shape) -> Any:
    from PIL import Image, ImageOps

    size = shape.size[1], shape.size[0]
    if image.size == size:
        return image
    ways: dict[str, Any] = {"crop": ImageOps.fit, "pad": ImageOps.pad, "stretch": Image.Image.resize}
    return ways[shape.resize](image, size, Image.Resampling.BILINEAR)
