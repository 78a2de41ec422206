"""One image after another, from whatever Pillow reads, as arrays of one shape.

What is done to an image, so that every one of them means what a person sees: it is turned as its
EXIF entry says; of several frames the first is taken; what is transparent lies on white; palettes,
CMYK and the like become red, green and blue. Grey images of 16 bits keep them, and then all images
have 16. Everything else is 8 bits.
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

from engine.errors import InputError, one_line
from engine.tasks.reading import Reading, check_memory, counted

Source = Path | bytes
Result = TypeVar("Result")

# Without those that Pillow hands to other programs, and those that are no pictures.
_FORMATS = (
    "PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA",
    "ICO",
)  # fmt: skip
_SIZE = 64
_LARGEST_OWN_SIZE = 256
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_16_BITS = 2**16 - 1
_LONGEST_REASON = 80


class UnreadableError(Exception):
    """An image that cannot be read; the message is the reason, in a few words."""


class NotAnImageError(UnreadableError):
    """Nothing that looks like an image."""


class Look(NamedTuple):
    """What the head of an image says.

    Attributes:
        size: height and width in pixels, as a person sees it.
        is_colour: whether it can hold other colours than greys.
        is_transparent: whether it has transparent pixels, or could have.
        has_frames: whether it is one of several.
    """

    size: tuple[int, int]
    is_colour: bool
    is_transparent: bool
    has_frames: bool


class Shape(NamedTuple):
    """To what images are brought.

    Attributes:
        size: height and width in pixels.
        is_colour: whether they have three channels, or one.
        resize: `crop` keeps the proportions and what is in the middle, `pad` keeps everything and
            fills up with black, `stretch` keeps neither.
    """

    size: tuple[int, int]
    is_colour: bool
    resize: str


class Images(NamedTuple):
    """Images that could be read.

    Attributes:
        pixels: `[num_images, height, width, channels]`, uint8 or uint16.
        kept: their positions among what there was to read, increasing.
        problems: why the others could not be, by position.
    """

    pixels: np.ndarray
    kept: np.ndarray
    problems: dict[int, UnreadableError]


def look(source: Source) -> Look:
    """Reads the head of an image.

    Raises:
        UnreadableError: it cannot be read.
    """
    with _opened(source) as image:
        height, width = image.height, image.width
        # Only these say it in their head; in a PNG it may come after the pixels.
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
    """The pixels of an image, `[height, width, channels]`, uint8 or uint16.

    Raises:
        UnreadableError: it cannot be read.
    """
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
    """An image, closed at the end; whatever its decoder raises becomes an UnreadableError."""
    from PIL import Image, UnidentifiedImageError

    try:
        if isinstance(source, Path) and not source.is_file():
            raise UnreadableError("no file" if source.exists() else "leads nowhere")
        if isinstance(source, Path) and not source.stat().st_size:
            raise UnreadableError("empty file")
        Image.init()
        formats = [name for name in _FORMATS if name in Image.OPEN]
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=formats) as image:
            yield image
    except UnidentifiedImageError:
        raise NotAnImageError("no image") from None
    except (UnreadableError, InputError):
        raise
    except Exception as error:  # decoders of damaged files raise anything
        reason = one_line(str(error) or type(error).__name__)[:_LONGEST_REASON]
        raise UnreadableError(reason) from None


def _is_colour(image: Any) -> bool:
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return False
    if image.mode in ("P", "PA") and (palette := image.getpalette()):
        entries = np.asarray(palette).reshape(-1, 3)
        return bool((entries != entries[:, :1]).any())
    return True


def _in_mode(image: Any, is_colour: bool) -> Any:
    """The image in colour, in grey, or in the floating-point greys of 16 bits."""
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
    how = Image.Resampling.BILINEAR
    if shape.resize == "crop":
        return ImageOps.fit(image, size, how)
    if shape.resize == "pad":
        return ImageOps.pad(image, size, how)
    return image.resize(size, how)


class ImageOptions(NamedTuple):
    """What was asked for, each `None` where it was left open: see the fields of an arm."""

    image_size: tuple[int, ...] | None
    channels: str | None
    resize: str | None


def read_images(
    sources: Sequence[Source], names: Sequence[str], options: ImageOptions, reading: Reading
) -> Images:
    """Reads images in parallel; those that cannot be read are left out, and said.

    Args:
        sources: of the images.
        names: of them, for people.
        options: their shape.
        reading: is told what is left out or changed.

    Raises:
        InputError: none can be read, or they do not fit in the memory.
    """
    places, problems = range(len(sources)), dict[int, UnreadableError]()
    with reading.bar(2 * len(sources), "reading images") as bar, _without_warnings():
        looks = _for_all(lambda i: look(sources[i]), places, problems, bar)
        found: dict[int, np.ndarray] = {}
        if looks:
            shape = _shape_of(list(looks.values()), options, reading)
            _check_memory(len(looks), shape)
            found = _for_all(lambda i: decode(sources[i], shape), sorted(looks), problems, bar)
    if not found:
        first = min(problems)
        raise InputError(
            f"none of the {len(sources)} files can be read as an image "
            f"({names[first]!r}: {problems[first]})"
        )
    _tell_of_problems(problems, names, reading)
    _tell_of_changes([looks[i] for i in found], reading)
    kept = sorted(found)
    return Images(_stack([found[i] for i in kept]), np.asarray(kept), problems)


def _for_all(
    call: Callable[[int], Result],
    places: Sequence[int],
    problems: dict[int, UnreadableError],
    bar: Any,
) -> dict[int, Result]:
    """Calls a function in a pool of threads; where it fails is added to the problems."""

    def attempt(place: int) -> Result | UnreadableError:
        try:
            return call(place)
        except UnreadableError as error:
            return error

    found: dict[int, Result] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for place, result in zip(places, pool.map(attempt, places), strict=True):
            if isinstance(result, UnreadableError):
                problems[place] = result
            else:
                found[place] = result
            bar.update()
    return found


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps decoders quiet; an image with so many pixels that Pillow warns is not read."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _shape_of(looks: Sequence[Look], options: ImageOptions, reading: Reading) -> Shape:
    is_colour = any(one.is_colour for one in looks)
    if options.channels is not None:
        is_colour = options.channels == "colour"
    resize, sizes = options.resize or "crop", {one.size for one in looks}
    if options.image_size is not None:
        asked = options.image_size
        return Shape((asked[0], asked[-1]), is_colour, resize)
    own = next(iter(sizes))
    if len(sizes) == 1 and max(own) <= _LARGEST_OWN_SIZE:
        return Shape(own, is_colour, resize)
    size = (_SIZE, _SIZE)
    least, most = min(sizes), max(sizes)
    have = (
        f"all have {_by(own)} pixels"
        if len(sizes) == 1
        else (f"have {len(sizes)} sizes, such as {_by(least)} and {_by(most)} pixels")
    )
    reading.tell(
        f"images {have}: they are brought to {_by(size)} by resize={resize} (see --image_size)"
    )
    return Shape(size, is_colour, resize)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _check_memory(number: int, shape: Shape) -> None:
    """Raises InputError where images would fill most of the memory."""
    channels = 3 if shape.is_colour else 1
    # As they are read, and as the numbers that are trained on.
    needed = number * shape.size[0] * shape.size[1] * channels * (1 + 2 * 4)
    words = f"{counted(number, 'image')} of {_by(shape.size)} pixels and {channels} channels"
    check_memory(needed, words, "give a smaller --image_size")


def _tell_of_problems(
    problems: dict[int, UnreadableError], names: Sequence[str], reading: Reading
) -> None:
    others = {i for i, p in problems.items() if isinstance(p, NotAnImageError)}
    others = {i for i in others if Path(names[i]).suffix.lower() not in _suffixes()}
    for places, words in (
        (problems.keys() - others, "unreadable"),
        (others, "no images"),
    ):
        if places:
            listed = [f"{names[i]!r} ({problems[i]})" for i in sorted(places)]
            of_all = f"{len(places):,} of {counted(len(names), 'file')}"
            reading.caution(f"{of_all} left out, {words}", listed)


def _suffixes() -> set[str]:
    from PIL import Image

    return {suffix for suffix, name in Image.registered_extensions().items() if name in _FORMATS}


def _tell_of_changes(looks: Sequence[Look], reading: Reading) -> None:
    num_colour = sum(one.is_colour for one in looks)
    for number, words in (
        (sum(one.is_transparent for one in looks), "laid on white, as transparent"),
        (sum(one.has_frames for one in looks), "cut to the first of several frames"),
        (num_colour and len(looks) - num_colour, "in grey, among others in colour"),
    ):
        if number:
            reading.caution(f"{number:,} of {counted(len(looks), 'image')} {words}")


def _stack(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images in one array, all with 16 bits where one has."""
    is_wide = any(image.dtype == np.uint16 for image in images)
    stacked = np.empty((len(images), *images[0].shape), np.uint16 if is_wide else np.uint8)
    for i, image in enumerate(images):
        stacked[i] = image.astype(np.uint16) * 257 if is_wide and image.dtype == np.uint8 else image
    return stacked
