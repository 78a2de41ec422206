"""The wire format of protocol buffers, as far as events need it; bounded by the bytes there are.

Source: the encoding page of the protocol buffers documentation. Numbers of fields are those of
`event.proto`, `summary.proto` and `tensor.proto`.
"""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
# Event, Summary, Summary.Value and TensorProto.
_STEP, _SUMMARY = 2, 5
_VALUE = 1
_TAG, _SIMPLE_VALUE, _TENSOR = 1, 2, 8
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
# By the number of a tensor's type: its code for `struct`, and the field that may hold the value.
_TYPES: dict[int, tuple[str, int]] = {
    1: ("<f", 5),
    2: ("<d", 6),
    3: ("<i", 7),
    4: ("<B", 7),
    5: ("<h", 7),
    6: ("<b", 7),
    9: ("<q", 10),
    10: ("<?", 11),
    17: ("<H", 7),
    19: ("<e", 13),
    22: ("<I", 16),
    23: ("<Q", 17),
}
_HALF = 19
_LONGEST_TAG = 1024


class Malformed(ValueError):  # noqa: N818
    """Bytes that are no message of the kind that is expected."""


class Field(NamedTuple):
    """A field of a message: its number, how it is written, and where its value lies."""

    number: int
    wire: int
    start: int
    end: int


class Scalar(NamedTuple):
    """A number in an event.

    Attributes:
        tag: what it is called.
        value: the number.
        start, end: where it lies in the message, if it is a plain 32-bit number; else both 0.
    """

    tag: str
    value: float
    start: int
    end: int


class Event(NamedTuple):
    """What an event says: its step, where that lies, and the numbers that were logged."""

    step: int
    step_start: int
    step_end: int
    scalars: list[Scalar]


def read_event(data: bytes) -> Event:
    """The scalars of one event; images, histograms and graphs are passed over.

    Raises:
        Malformed: it is no event.
    """
    step, step_start, step_end = 0, 0, 0
    scalars: list[Scalar] = []
    for field in _fields(data, 0, len(data)):
        if field.number == _STEP and field.wire == _VARINT:
            step, step_start, step_end = _signed(data, field), field.start, field.end
        elif field.number == _SUMMARY and field.wire == _BYTES:
            for value in _fields(data, field.start, field.end):
                if value.number == _VALUE and value.wire == _BYTES:
                    scalar = _scalar(data, value)
                    scalars += [] if scalar is None else [scalar]
    return Event(step, step_start, step_end, scalars)


def _fields(data: bytes, position: int, end: int) -> Iterator[Field]:
    """The fields of a message."""
    while position < end:
        key, position = _varint(data, position, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            _, after = _varint(data, position, end)
        elif wire == _BYTES:
            length, position = _varint(data, position, end)
            after = position + length
        elif wire in (_FIXED32, _FIXED64):
            after = position + (4 if wire == _FIXED32 else 8)
        else:
            raise Malformed(f"wire type {wire}")
        if after > end or number == 0:
            raise Malformed("a field that ends beyond its message")
        yield Field(number, wire, position, after)
        position = after


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of variable length, and where what follows it begins."""
    value = 0
    for i in range(_LONGEST_VARINT):
        if position + i >= end:
            raise Malformed("a number that does not end")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise Malformed("a number of more than 64 bits")


def _signed(data: bytes, field: Field) -> int:
    value = _varint(data, field.start, field.end)[0] & (2**64 - 1)
    return value - 2**64 if value >= 2**63 else value


def _scalar(data: bytes, value: Field) -> Scalar | None:
    """A value of a summary, or `None` where it is no number."""
    tag, found = "", None
    for field in _fields(data, value.start, value.end):
        if field.number == _TAG and field.wire == _BYTES:
            if field.end - field.start > _LONGEST_TAG:
                return None
            tag = data[field.start : field.end].decode(errors="replace")
        elif field.number == _SIMPLE_VALUE and field.wire == _FIXED32:
            number = struct.unpack_from("<f", data, field.start)[0]
            found = (number, field.start, field.end)
        elif field.number == _TENSOR and field.wire == _BYTES:
            found = _of_tensor(data, field)
    return None if found is None else Scalar(tag, *found)


def _of_tensor(data: bytes, tensor: Field) -> tuple[float, int, int] | None:
    """The number in a tensor without dimensions, and where it lies."""
    dtype, is_scalar, content = 0, True, None
    packed: dict[int, Field] = {}
    for field in _fields(data, tensor.start, tensor.end):
        if field.number == _DTYPE and field.wire == _VARINT:
            dtype = _varint(data, field.start, field.end)[0]
        elif field.number == _SHAPE:
            is_scalar = field.start == field.end
        elif field.number == _CONTENT and field.wire == _BYTES:
            content = field
        else:
            packed[field.number] = field
    code, number = _TYPES.get(dtype, ("", 0))
    if not code or not is_scalar:
        return None
    size = struct.calcsize(code)
    if content is not None and content.end - content.start == size:
        return _unpacked(data, code, content)
    own = packed.get(number)
    if own is None or own.start == own.end:
        # A value of zero need not be written.
        return (0.0, 0, 0) if content is None else None
    if code in ("<f", "<d"):
        return _unpacked(data, code, own) if own.end - own.start == size else None
    whole = _signed(data, own)
    if dtype == _HALF:
        return struct.unpack("<e", struct.pack("<H", whole & 0xFFFF))[0], 0, 0
    return float(whole), 0, 0


def _unpacked(data: bytes, code: str, field: Field) -> tuple[float, int, int]:
    value = float(struct.unpack_from(code, data, field.start)[0])
    place = (field.start, field.end) if code == "<f" else (0, 0)
    return (math.nan if math.isnan(value) else value, *place)
