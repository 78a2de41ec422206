"""Records of TensorBoard's event files: a length, its checksum, the content, and the content's checksum.

Numbers are little-endian. A checksum is a CRC-32C (RFC 3720), rotated right by 15 bits plus TensorFlow's constant.
"""

import functools
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_POLYNOMIAL = np.uint32(0x82F63B78)
_MASK_DELTA = np.uint32(0xA282EAD8)
_ALL_ONES = np.uint32(0xFFFFFFFF)
_LENGTH = struct.Struct("<Q")
_HEADER, _FOOTER = 12, 4


class Records(NamedTuple):
    """Where the content of each record begins and how long it is, `[num_records]`, and where the last record ends."""

    starts: np.ndarray
    lengths: np.ndarray
    end: int


def frame(contents: Sequence[bytes]) -> bytes:
    """Returns the records with the given contents, one after another."""
    lengths = np.array([len(content) for content in contents], np.int64)
    heads = np.ascontiguousarray(lengths, "<u8").view(np.uint8)
    data = np.frombuffer(b"".join(contents), np.uint8)
    head_sums = masked_checksums(heads, 8 * np.arange(len(lengths)), np.full(len(lengths), 8))
    sums = masked_checksums(data, np.cumsum(lengths) - lengths, lengths)
    columns = zip(lengths.tolist(), head_sums.tolist(), contents, sums.tolist(), strict=True)
    return b"".join(struct.pack("<QI", n, head) + content + struct.pack("<I", s) for n, head, content, s in columns)


def find_records(data: bytes) -> Records:
    """Finds the records up to the first one that is cut off or whose length does not match its checksum."""
    starts, start, size, unpack = [], _HEADER, len(data), _LENGTH.unpack_from
    while start <= size:
        (length,) = unpack(data, start - _HEADER)
        end = start + length + _FOOTER
        if end > size:
            break
        starts.append(start)
        start = end + _HEADER
    found = np.array([*starts, start])
    lengths = np.diff(found) - (_FOOTER + _HEADER)
    is_right = have_checksums(data, found[:-1] - _HEADER, np.full(len(starts), _LENGTH.size))
    num_right = len(starts) if is_right.all() else int(np.argmin(is_right))
    return Records(found[:num_right], lengths[:num_right], int(found[num_right]) - _HEADER)


def starts_with_record(data: bytes) -> bool:
    """Tells whether some bytes begin with the head of a record."""
    return len(data) >= _HEADER and bool(have_checksums(data, np.array([0]), np.array([_LENGTH.size]))[0])


def have_checksums(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Tells which pieces of some bytes are followed by their checksum, `[num_pieces]`."""
    array = np.frombuffer(data, np.uint8)
    stored = array[(starts + lengths)[:, None] + np.arange(4)].view("<u4")[:, 0]
    return np.equal(stored, masked_checksums(array, starts, lengths))


@functools.cache
def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ _POLYNOMIAL, table >> 1)
    return table


def masked_checksums(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the masked CRC-32C of pieces of some bytes, `[num_pieces]`; all pieces advance together."""
    if not len(starts):
        return np.zeros(0, np.uint32)
    table, order = _table(), np.argsort(lengths, kind="stable")
    places, sums = starts[order], np.full(len(order), _ALL_ONES)
    # In the order of their lengths, the pieces that have ended lie in front.
    num_ended = np.searchsorted(lengths[order], np.arange(lengths.max()), side="right")
    for i, ended in enumerate(num_ended.tolist()):
        running = sums[ended:]
        sums[ended:] = table[(running ^ data[places[ended:] + i]) & np.uint32(0xFF)] ^ (running >> np.uint32(8))
    found = np.empty_like(sums)
    found[order] = ~sums
    return ((found >> np.uint32(15)) | (found << np.uint32(17))) + _MASK_DELTA
