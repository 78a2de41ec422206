"""Reads many images as one array, and notes those that are left out or changed."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
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
    """Images that could be read, `[num_images, height, width, channels]`, uint8 or uint16.

    `kept` are their positions among the sources, increasing; `unreadable` says by position why others could not be
    read, without those that are no image by content and name.
    """

    pixels: np.ndarray
    kept: np.ndarray
    unreadable: dict[int, UnreadableError]


class ImageOptions(NamedTuple):
    """Options of an arm that shape images, each `None` where it was left open."""

    image_size: tuple[int, ...] | None
    channels: str | None
    resize: str | None


def read_images(sources: Sequence[Source], names: Sequence[str], options: ImageOptions, reading: Reading) -> Images:
    """Reads images in parallel, and leaves out those that cannot be read; `names` are for messages."""
    from PIL import Image

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
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    no_images = [
        i
        for i, problem in problems.items()
        if isinstance(problem, NotAnImageError) and Path(names[i]).suffix.lower() not in known
    ]
    others = {i: problems.pop(i) for i in no_images}
    for of_a_kind, words in ((problems, "unreadable"), (others, "no images")):
        if of_a_kind:
            listed = [f"{names[i]!r} ({of_a_kind[i]})" for i in sorted(of_a_kind)]
            reading.caution(f"{_share(len(of_a_kind), len(names), 'file')} left out, {words}", listed)
    _tell_of_changes([looks[i] for i in found], shape.is_colour, reading)
    kept = sorted(found)
    return Images(_stack([found[i] for i in kept], reading), np.asarray(kept), problems)


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


def _shape_of(looks: Sequence[Look], options: ImageOptions, reading: Reading) -> Shape:
    is_colour = any(one.is_colour for one in looks) if options.channels is None else options.channels == "colour"
    resize, sizes = options.resize or "crop", {one.size for one in looks}
    if options.image_size is not None:
        return Shape((options.image_size[0], options.image_size[-1]), is_colour, resize)
    own = next(iter(sizes))
    if len(sizes) == 1 and max(own) <= _LARGEST_OWN_SIZE:
        return Shape(own, is_colour, resize)
    size = (_SIZE, _SIZE)
    least, most = min(sizes), max(sizes)
    have = f"have {len(sizes)} sizes, such as {_by(least)} and {_by(most)} pixels"
    have = f"all have {_by(own)} pixels" if len(sizes) == 1 else have
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
