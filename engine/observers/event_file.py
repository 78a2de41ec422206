"""TensorBoard's event files, as bytes: framed records that hold protocol buffers, without either.

A file is a sequence of records: the length (8 bytes, little-endian) and its checksum, then the
content and its checksum. A checksum is a CRC-32C (Castagnoli), rotated right by 15 bits plus a
constant. The content is an `Event`: field 1 the wall time, 2 the step, 3 the version of the file,
5 a `Summary`. Field numbers are those of TensorFlow's `event.proto` and `summary.proto`.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine.logs.framing import masked_checksums

_VERSION = b"brain.Event:2"
# Wire types of protocol buffers.
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
_STRING_TENSOR, _FLOAT_TENSOR = 7, 1
_START = 1


class Series(NamedTuple):
    """Scalars that were measured at the same steps.

    Attributes:
        steps: non-negative, strictly increasing, `[num_points]`.
        values: by tag, each `[num_points]`.
    """

    steps: np.ndarray
    values: Mapping[str, np.ndarray]


class Extra(NamedTuple):
    """A value for one of TensorBoard's plugins, at step 0.

    Attributes:
        tag: of the value.
        plugin: name of the plugin.
        content: what the plugin's metadata hold.
        text: what the value itself says, or `None` where it says nothing.
    """

    tag: str
    plugin: str
    content: bytes = b""
    text: bytes | None = None


def encode_file(
    wall_time: float,
    series: Sequence[Series],
    descriptions: Mapping[str, str] | None = None,
    extras: Sequence[Extra] = (),
) -> bytes:
    """The bytes of an event file: a function of its arguments, and of nothing else.

    After the file's version it says that a session starts at step 0, so that a reader who follows a
    directory forgets what an earlier file of it has said.

    Args:
        wall_time: of every event, in seconds since 1970.
        series: in any order; the events come in the order of their steps.
        descriptions: Markdown, by tag.
        extras: for plugins.
    """
    wall = field_double(1, wall_time)
    start = field_varint(2, 0) + field_bytes(7, field_varint(1, _START))
    head = [frame(wall + field_bytes(3, _VERSION)), frame(wall + start)]
    for extra in extras:
        head.append(frame(wall + field_varint(2, 0) + field_bytes(5, _of_extra(extra))))
    described = dict(descriptions or {})
    events = [event for one in series for event in _scalars(wall, one, described)]
    return b"".join([*head, *(content for _, content in sorted(events, key=lambda e: e[0]))])


def _of_extra(extra: Extra) -> bytes:
    """A `Summary` with one value for a plugin."""
    about = field_bytes(1, extra.plugin.encode()) + field_bytes(2, extra.content)
    if extra.text is None:
        tensor = field_varint(1, _FLOAT_TENSOR) + field_bytes(2, b"") + field_bytes(5, bytes(4))
    else:
        tensor = field_varint(1, _STRING_TENSOR) + field_bytes(2, b"") + field_bytes(8, extra.text)
    value = field_bytes(1, extra.tag.encode()) + field_bytes(9, field_bytes(1, about))
    return field_bytes(1, value + field_bytes(8, tensor))


def _scalars(wall: bytes, series: Series, descriptions: Mapping[str, str]) -> Iterable[tuple[int, bytes]]:
    """Step and framed event of every point of a series; the first one describes the tags."""
    steps = np.asarray(series.steps, np.int64)
    values = {tag: np.asarray(v, "<f4") for tag, v in series.values.items()}
    if not (steps.size and values):
        return
    about = {tag: field_bytes(3, descriptions[tag].encode()) for tag in values if descriptions.get(tag)}
    yield (int(steps[0]), _frames(_rows(wall, steps[:1], {t: v[:1] for t, v in values.items()}, about))[0])
    # Steps whose varint has the same length make records of the same length.
    lengths = _varint_lengths(steps)
    for length in np.unique(lengths[1:]):
        chosen = np.flatnonzero(lengths == length)
        chosen = chosen[chosen > 0]
        rows = _rows(wall, steps[chosen], {tag: v[chosen] for tag, v in values.items()}, {})
        yield from zip(steps[chosen].tolist(), _frames(rows), strict=True)


def _rows(wall: bytes, steps: np.ndarray, values: Mapping[str, np.ndarray], about: Mapping[str, bytes]) -> np.ndarray:
    """Events of steps whose varint has one length, `[num_points, num_bytes]`."""
    parts = []
    for tag, numbers in values.items():
        name = field_bytes(1, tag.encode())
        metadata = field_bytes(9, about[tag]) if tag in about else b""
        size = len(name) + len(metadata) + 5
        before = key(1, _BYTES) + varint(size) + name + key(2, _FLOAT)
        raw = np.ascontiguousarray(numbers, "<f4").view(np.uint8).reshape(-1, 4)
        parts += [_repeated(before, len(steps)), raw, _repeated(metadata, len(steps))]
    summary = np.concatenate(parts, axis=1)
    before_summary = key(5, _BYTES) + varint(summary.shape[1])
    head = _repeated(wall + key(2, _VARINT), len(steps))
    middle = _repeated(before_summary, len(steps))
    return np.concatenate([head, _varints(steps), middle, summary], axis=1)


def _repeated(content: bytes, number: int) -> np.ndarray:
    return np.broadcast_to(np.frombuffer(content, np.uint8), (number, len(content)))


def _varint_lengths(numbers: np.ndarray) -> np.ndarray:
    bounds = np.array([1 << 7 * i for i in range(1, 9)], np.int64)
    return 1 + np.searchsorted(bounds, numbers, side="right")


def _varints(numbers: np.ndarray) -> np.ndarray:
    """Varints of one length, `[num_numbers, length]`."""
    length = int(_varint_lengths(numbers[:1])[0])
    shifts = 7 * np.arange(length, dtype=np.int64)
    digits = (numbers[:, None] >> shifts) & 0x7F
    digits[:, :-1] |= 0x80
    return digits.astype(np.uint8)


def frame(content: bytes) -> bytes:
    """A record: the content with its length and the checksums of both."""
    return _frames(np.frombuffer(content, np.uint8)[None, :])[0]


def _frames(rows: np.ndarray) -> list[bytes]:
    """Records of contents of one length, `[num_records, num_bytes]`."""
    number, length = rows.shape
    size = struct.pack("<Q", length)
    size += row_checksums(np.frombuffer(size, np.uint8)[None, :]).astype("<u4").tobytes()
    sums = row_checksums(rows).astype("<u4").view(np.uint8).reshape(-1, 4)
    framed = np.concatenate([_repeated(size, number), rows, sums], axis=1)
    whole = framed.tobytes()
    step = framed.shape[1]
    return [whole[i : i + step] for i in range(0, len(whole), step)]


def row_checksums(rows: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of every row.

    Args:
        rows: of bytes, shape `[num_rows, num_bytes]`.

    Returns:
        Shape `[num_rows]`, unsigned, 32 bits.
    """
    num_rows, num_bytes = rows.shape
    lengths = np.full(num_rows, num_bytes)
    return masked_checksums(rows.reshape(-1), num_bytes * np.arange(num_rows), lengths)


def varint(number: int) -> bytes:
    """A non-negative number in groups of seven bits, the lowest first."""
    digits = []
    while number > 0x7F:
        digits.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*digits, number])


def key(field: int, kind: int) -> bytes:
    """What stands before a field: its number and its wire type."""
    return varint(field << 3 | kind)


def field_varint(field: int, number: int) -> bytes:
    """A field with a whole number."""
    return key(field, _VARINT) + varint(number)


def field_double(field: int, number: float) -> bytes:
    """A field with a number of 64 bits."""
    return key(field, _DOUBLE) + struct.pack("<d", number)


def field_bytes(field: int, content: bytes) -> bytes:
    """A field with text or another message."""
    return key(field, _BYTES) + varint(len(content)) + content
