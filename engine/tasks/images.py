"""Reads images of any kind that Pillow knows as one array, as a person sees them; notes what is left out or changed.

An image is turned as its EXIF entry says, the first of several frames is taken, what is transparent lies on white.
Where some grey image has 16 bits all have; everything else has 8.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, counted
from .reading import Reading, check_memory, reason_of

Result = TypeVar("Result")
Source = Path | bytes

# Not those that Pillow hands to other programs, nor those that could be any text.
FORMATS = (
    "PNG", "JPEG", "MPO", "BMP", "WEBP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO",
)  # fmt: skip
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_16_BITS = 2**16 - 1
_SIZE = 64
_LARGEST_OWN_SIZE = 256


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


class Images(NamedTuple):
    """Images that could be read, `[num_images, height, width, channels]`, uint8 or uint16.

    `kept` are their positions among the sources, increasing; `unreadable` says by position why others could not be
    read, without those that are no image by content and name.
    """

    pixels: np.ndarray
    kept: np.ndarray
    unreadable: dict[int, UnreadableError]


def read_images(sources: Sequence[Source], names: Sequence[str], arm: Arm, reading: Reading) -> Images:
    """Reads images as the arm says, without those that cannot be read; `names` are for messages."""
    from PIL import Image

    places, problems = range(len(sources)), dict[int, UnreadableError]()
    with reading.bar(len(sources), "looking at images") as bar, _without_warnings():
        looks = _for_all(lambda i: look(sources[i]), places, problems, bar)
    with reading.bar(len(looks), "reading images") as bar, _without_warnings():
        found: dict[int, np.ndarray] = {}
        if looks:
            shape = _shape_of(list(looks.values()), arm, reading)
            _check_memory(len(looks), shape)
            found = _for_all(lambda i: decode(sources[i], shape), list(looks), problems, bar)
    if not found:
        first = min(problems)
        raise InputError(
            f"none of {counted(len(sources), 'file')} can be read as an image ({names[first]!r}: {problems[first]})"
        )
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    foreign = [i for i, name in enumerate(names) if Path(name).suffix.lower() not in known]
    others = {i: problems.pop(i) for i in foreign if isinstance(problems.get(i), NotAnImageError)}
    for of_a_kind, words in ((problems, "unreadable"), (others, "no images")):
        if of_a_kind:
            listed = [f"{names[i]!r} ({of_a_kind[i]})" for i in sorted(of_a_kind)]
            reading.caution(f"{_share(len(of_a_kind), len(names), 'file')} left out, {words}", listed)
    _tell_of_changes([looks[i] for i in found], shape.is_colour, reading)
    return Images(_stack(list(found.values()), reading), np.asarray(list(found)), problems)


def _for_all(
    call: Callable[[int], Result], places: Sequence[int], problems: dict[int, UnreadableError], bar: Any
) -> dict[int, Result]:
    found: dict[int, Result] = {}
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for place, future in [(place, pool.submit(call, place)) for place in places]:
            try:
                found[place] = future.result()
            except UnreadableError as error:
                problems[place] = error
            bar.update()
    finally:
        # After Ctrl-C nobody waits for what has not begun.
        pool.shutdown(cancel_futures=True)
    return found


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps decoders quiet; an image with so many pixels that Pillow warns is not read."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _shape_of(looks: Sequence[Look], arm: Arm, reading: Reading) -> Shape:
    is_colour = any(one.is_colour for one in looks) if arm.channels is None else arm.channels == "colour"
    resize, sizes = arm.resize or "crop", {one.size for one in looks}
    if arm.image_size is not None:
        return Shape((arm.image_size[0], arm.image_size[-1]), is_colour, resize)
    own = next(iter(sizes))
    if len(sizes) == 1 and max(own) <= _LARGEST_OWN_SIZE:
        return Shape(own, is_colour, resize)
    size = (_SIZE, _SIZE)
    have = f"have {len(sizes)} sizes, such as {_by(min(sizes))} and {_by(max(sizes))} pixels"
    if len(sizes) == 1:
        have = f"all have {_by(own)} pixels"
    reading.tell(f"images {have}: they are brought to {_by(size)} by resize={resize} (see --image_size)")
    return Shape(size, is_colour, resize)


def _share(number: int, total: int, word: str) -> str:
    return f"{number:,} of {counted(total, word)}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _check_memory(number: int, shape: Shape) -> None:
    channels = 3 if shape.is_colour else 1
    # As they are read, and as the numbers that are trained on.
    needed = number * shape.size[0] * shape.size[1] * channels * (1 + 2 * 4)
    words = f"{counted(number, 'image')} of {_by(shape.size)} pixels and {channels} channels"
    check_memory(needed, words, "give a smaller --image_size")


def _tell_of_changes(looks: Sequence[Look], is_colour: bool, reading: Reading) -> None:
    num_colour = sum(one.is_colour for one in looks) if is_colour else 0
    for number, words in (
        (sum(one.is_transparent for one in looks), "laid on white, as transparent"),
        (sum(one.has_frames for one in looks), "cut to the first of several frames"),
        (num_colour and len(looks) - num_colour, "in grey, among others in colour"),
    ):
        if number:
            reading.caution(f"{_share(number, len(looks), 'image')} {words}")


def _stack(images: Sequence[np.ndarray], reading: Reading) -> np.ndarray:
    num_wide = sum(image.dtype == np.uint16 for image in images)
    if 0 < num_wide < len(images):
        share = _share(num_wide, len(images), "image")
        reading.caution(f"{share} have 16 bits, among others of 8, so all are taken with 16")
    stacked = np.empty((len(images), *images[0].shape), np.uint16 if num_wide else np.uint8)
    for i, image in enumerate(images):
        stacked[i] = image.astype(np.uint16) * 257 if num_wide and image.dtype == np.uint8 else image
    return stacked


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
        raise UnreadableError(reason_of(error)) from None


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
