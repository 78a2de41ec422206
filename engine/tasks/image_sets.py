"""Many images as arrays of one shape, with a word on those that are left out or changed."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from engine.errors import InputError
from engine.tasks.images import FORMATS, Look, NotAnImageError, Shape, Source, UnreadableError, decode, look
from engine.tasks.reading import Reading, check_memory, counted

Result = TypeVar("Result")

_SIZE = 64
_LARGEST_OWN_SIZE = 256


class Images(NamedTuple):
    """Images that could be read.

    Attributes:
        pixels: `[num_images, height, width, channels]`, uint8 or uint16.
        kept: their positions among what there was to read, increasing.
        unreadable: why others could not be, by position; without what is no image by its content
            and does not claim to be one by its name.
    """

    pixels: np.ndarray
    kept: np.ndarray
    unreadable: dict[int, UnreadableError]


class ImageOptions(NamedTuple):
    """What was asked for, each `None` where it was left open: see the fields of an arm."""

    image_size: tuple[int, ...] | None
    channels: str | None
    resize: str | None


def read_images(sources: Sequence[Source], names: Sequence[str], options: ImageOptions, reading: Reading) -> Images:
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
            f"none of the {len(sources)} files can be read as an image ({names[first]!r}: {problems[first]})"
        )
    others = {i: problems.pop(i) for i in _no_images(problems, names)}
    for of_a_kind, words in ((problems, "unreadable"), (others, "no images")):
        if of_a_kind:
            listed = [f"{names[i]!r} ({of_a_kind[i]})" for i in sorted(of_a_kind)]
            of_all = f"{len(of_a_kind):,} of {counted(len(names), 'file')}"
            reading.caution(f"{of_all} left out, {words}", listed)
    _tell_of_changes([looks[i] for i in found], shape.is_colour, reading)
    kept = sorted(found)
    num_wide = sum(image.dtype == np.uint16 for image in found.values())
    if 0 < num_wide < len(found):
        of_all = f"{num_wide:,} of {counted(len(found), 'image')}"
        reading.caution(f"{of_all} have 16 bits, among others of 8, so all are taken with 16")
    return Images(_stack([found[i] for i in kept]), np.asarray(kept), problems)


def _for_all(
    call: Callable[[int], Result], places: Sequence[int], problems: dict[int, UnreadableError], bar: Any
) -> dict[int, Result]:
    """Calls a function in a pool of threads; where it fails is added to the problems."""

    def attempt(place: int) -> Result | UnreadableError:
        try:
            return call(place)
        except UnreadableError as error:
            return error

    found: dict[int, Result] = {}
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for place, result in zip(places, pool.map(attempt, places), strict=True):
            if isinstance(result, UnreadableError):
                problems[place] = result
            else:
                found[place] = result
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
    reading.tell(f"images {have}: they are brought to {_by(size)} by resize={resize} (see --image_size)")
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


def _no_images(problems: Mapping[int, UnreadableError], names: Sequence[str]) -> list[int]:
    """The positions of files that are no images, by their content and by their names."""
    from PIL import Image

    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    return [
        i
        for i, problem in problems.items()
        if isinstance(problem, NotAnImageError) and Path(names[i]).suffix.lower() not in known
    ]


def _tell_of_changes(looks: Sequence[Look], is_colour: bool, reading: Reading) -> None:
    num_colour = sum(one.is_colour for one in looks) if is_colour else 0
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
