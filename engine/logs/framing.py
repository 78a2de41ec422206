"""CRC-32C, masked as TensorFlow masks it, of many pieces of a file at once."""

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL_ONES = np.uint32(0xFFFFFFFF)
# Bytes of the pieces that are looked at together, filled up to the longest of them.
_MOST_AT_ONCE = 2**23


@functools.cache
def _table() -> np.ndarray:
    """What a byte does to the sum, `[256]`."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


def masked_checksums(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The masked CRC-32C of pieces of some bytes, `[num_pieces]`.

    Args:
        data: bytes, `[num_bytes]`.
        starts, lengths: of the pieces, each `[num_pieces]`, within the bytes.
    """
    sums = np.zeros(len(starts), np.uint32)
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = first + 1
        # Pieces are taken together as long as they are few bytes, and nearly equally long.
        longest = int(lengths[order[first]])
        most = max(1, _MOST_AT_ONCE // max(1, longest))
        limit = min(len(order), first + most)
        last = first + int(np.searchsorted(lengths[order[first:limit]], longest + longest // 8 + 8, side="right"))
        chosen = order[first:last]
        sums[chosen] = _checksums(data, starts[chosen], lengths[chosen])
        first = last
    rotated = (sums >> np.uint32(15)) | (sums << np.uint32(17))
    return rotated + np.uint32(_MASK_DELTA)


def _checksums(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """CRC-32C of pieces in the order of their lengths."""
    table = _table()
    sums = np.full(len(starts), _ALL_ONES)
    # Pieces that are over are at the front.
    num_over = np.searchsorted(lengths, np.arange(int(lengths[-1])), side="right")
    for i, over in enumerate(num_over.tolist()):
        byte = data[starts[over:] + i]
        running = sums[over:]
        sums[over:] = table[(running ^ byte) & np.uint32(0xFF)] ^ (running >> np.uint32(8))
    return sums ^ _ALL_ONES
