"""Thrift's compact protocol, read as plain values: the headers and summaries of Parquet."""

from typing import Any

from engine.store.files import DamagedError

_MAX_DEPTH = 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WHOLE = (4, 5, 6)


def read_struct(content: bytes) -> tuple[dict[int, Any], int]:
    """The fields, by number, of the struct that some bytes begin with, and where it ends.

    Raises:
        DamagedError: it is cut off, or is none.
    """
    try:
        return _struct(content, 0, _MAX_DEPTH)
    except IndexError:
        raise DamagedError("a header that is cut off") from None


def _struct(content: bytes, position: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth == 0:
        raise DamagedError("a header that is nested too deep")
    fields: dict[int, Any] = {}
    number = 0
    while head := content[position]:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = _signed(content, position)
        if number in fields:
            raise DamagedError("a header that says a thing twice")
        fields[number], position = _value(content, position, head & 15, depth)
    return fields, position + 1


def _value(content: bytes, position: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _WHOLE:
        return _signed(content, position)
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, position
    if kind == _STRUCT:
        return _struct(content, position, depth - 1)
    if kind == _BINARY:
        size, position = _unsigned(content, position)
        return _piece(content, position, size)
    if kind in (_LIST, _SET):
        return _list(content, position, depth)
    if kind == _BYTE:
        return content[position], position + 1
    if kind == _DOUBLE:
        return _piece(content, position, 8)
    raise DamagedError("a header that is none of ours")


def _piece(content: bytes, position: int, size: int) -> tuple[bytes, int]:
    if size > len(content) - position:
        raise DamagedError("a header that is cut off")
    return content[position : position + size], position + size


def _list(content: bytes, position: int, depth: int) -> tuple[list[Any], int]:
    head = content[position]
    size, kind = head >> 4, head & 15
    position += 1
    if size == 15:
        size, position = _unsigned(content, position)
    # Every entry has a byte at least.
    if size > len(content) - position:
        raise DamagedError("a header that is cut off")
    values = []
    for _ in range(size):
        if kind in (_TRUE, _FALSE):
            value, position = content[position] == _TRUE, position + 1
        else:
            value, position = _value(content, position, kind, depth)
        values.append(value)
    return values, position


def _unsigned(content: bytes, position: int) -> tuple[int, int]:
    byte = content[position]
    if byte < 128:
        return byte, position + 1
    value, shift = byte & 127, 7
    while shift < 70:
        position += 1
        byte = content[position]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position + 1
        shift += 7
    raise DamagedError("a header with a number of no end")


def _signed(content: bytes, position: int) -> tuple[int, int]:
    value, position = _unsigned(content, position)
    return (value >> 1) ^ -(value & 1), position
