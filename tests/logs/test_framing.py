"""Records and their checksums: known answers, and the same bit by bit."""

import numpy as np
import pytest

from engine.logs.framing import find_records, frame, have_checksums, masked_checksums, starts_with_record


def _mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def _bit_by_bit(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return _mask(crc ^ 0xFFFFFFFF)


@pytest.mark.parametrize(("content", "crc"), [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"", 0)])
def test_the_checksum_is_castagnolis(content, crc):
    """CRC-32C of the digits 1 to 9 and of 32 zeros (RFC 3720, B.4)."""
    data = np.frombuffer(content, np.uint8)
    assert masked_checksums(data, np.array([0]), np.array([len(content)])).tolist() == [_mask(crc)]


def test_checksums_together_are_those_alone():
    generator = np.random.default_rng(0)
    data = generator.integers(0, 256, 5000).astype(np.uint8)
    lengths, starts = generator.integers(0, 300, 200), generator.integers(0, 4700, 200)
    together = masked_checksums(data, starts, lengths)
    alone = [_bit_by_bit(data[s : s + n].tobytes()) for s, n in zip(starts, lengths, strict=True)]
    assert together.tolist() == alone


@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 700, 3]])
def test_framed_records_are_found(lengths):
    generator = np.random.default_rng(1)
    contents = [generator.bytes(length) for length in lengths]
    framed = frame(contents)
    starts, found, end = find_records(framed)
    assert [framed[s : s + n] for s, n in zip(starts, found, strict=True)] == contents
    assert end == len(framed)
    assert have_checksums(framed, starts, found).all()
    assert starts_with_record(framed) == bool(lengths)
