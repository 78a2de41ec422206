"""TensorBoard event files, read without TensorFlow and without TensorBoard.

A file is a chain of records: length, checksum of the length, bytes, checksum of the bytes. Each is
an event, which says a step and may hold scalars. Most records of a file differ in nothing but
their time, step and value, so they are read together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.logs.framing import masked_checksums
from engine.logs.protobuf import Event, Malformed, Scalar, read_event

_HEADER, _FOOTER = 12, 4
# Scalars are short; what is longer is a graph, an image or a table.
_LONGEST = 2**16
_MAX_RECORDS = 2 * 10**8
_FEW = 4
# Records of one length that have hardly any like them, after which the rest is read one by one.
_MOST_TRIES = 64
_NOTHING = Event(0, 0, 0, [])
# An event begins with its time, which differs from event to event.
_TIME_KEY, _TIME_END = 0x09, 9


class Scalars(NamedTuple):
    """What was logged under one tag, in the order of the file: both `[num_points]`."""

    steps: np.ndarray
    values: np.ndarray


class EventFile(NamedTuple):
    """The scalars of a file by tag, and what is wrong with it, in words."""

    scalars: dict[str, Scalars]
    problems: list[str]


def is_event_file(content: bytes) -> bool:
    """Whether some bytes begin with a record."""
    if len(content) < _HEADER:
        return False
    data = np.frombuffer(content[:_HEADER], np.uint8)
    stored = int.from_bytes(content[8:_HEADER], "little")
    return int(masked_checksums(data, np.array([0]), np.array([8]))[0]) == stored


def read_events(content: bytes) -> EventFile:
    """The scalars of an event file, as far as it is whole.

    A record whose bytes do not match their checksum is left out; where a record's length does not,
    or where the file ends within one, reading ends.
    """
    problems = []
    data = np.frombuffer(content, np.uint8)
    starts, lengths = _frames(content)
    whole, end = _check_headers(data, starts, lengths)
    starts, lengths = starts[:whole], lengths[:whole]
    end = len(content) if end is None else end
    if whole and int(starts[-1] + lengths[-1]) + _FOOTER > len(content):
        starts, lengths = starts[:-1], lengths[:-1]
    last = int(starts[-1] + lengths[-1]) + _FOOTER if len(starts) else 0
    if last < len(content):
        problems.append(
            f"it is not whole from byte {last} of {len(content)} on, as of a run that still writes or was killed"
        )
    is_short = lengths <= _LONGEST
    starts, lengths = starts[is_short], lengths[is_short]
    is_right = masked_checksums(data, starts, lengths) == _stored(data, starts + lengths)
    if not is_right.all():
        problems.append(f"{int(np.sum(~is_right))} of its records are damaged and left out")
    points, num_malformed = _read_records(data, starts[is_right], lengths[is_right])
    if num_malformed:
        problems.append(f"{num_malformed} of its records are no events and left out")
    return EventFile(_by_tag(points), problems)


def _frames(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where the bytes of each record begin, and how many there are, by following the lengths."""
    starts: list[int] = []
    lengths: list[int] = []
    position, size = 0, len(content)
    while position + _HEADER <= size and len(starts) < _MAX_RECORDS:
        length = int.from_bytes(content[position : position + 8], "little")
        starts.append(position + _HEADER)
        if length > size:
            lengths.append(size)
            break
        lengths.append(length)
        position += _HEADER + length + _FOOTER
    return np.asarray(starts, np.int64), np.asarray(lengths, np.int64)


def _check_headers(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[int, int | None]:
    """How many records have a length that matches its checksum, and where the first other is."""
    eight = np.full(len(starts), 8, np.int64)
    is_right = masked_checksums(data, starts - _HEADER, eight) == _stored(data, starts - 4)
    if is_right.all():
        return len(starts), None
    first = int(np.argmin(is_right))
    return first, int(starts[first]) - _HEADER


def _stored(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The 32-bit numbers at some places, `[num_places]`."""
    found = np.zeros(len(places), np.uint32)
    for i in range(4):
        found |= data[places + i].astype(np.uint32) << np.uint32(8 * i)
    return found


class _Points(NamedTuple):
    """Scalars of one tag from some records: numbers of the records, steps and values."""

    tag: str
    records: np.ndarray
    steps: np.ndarray
    values: np.ndarray


def _read_records(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[list[_Points], int]:
    """Every scalar of some records, and how many of them are no events."""
    points: list[_Points] = []
    num_malformed = 0
    for length in np.unique(lengths).tolist():
        left = np.flatnonzero(lengths == length)
        rows = _gathered(data, starts[left], length)
        num_tries = 0
        while len(left):
            own = rows[0].tobytes()
            try:
                event = read_event(own)
            except Malformed:
                event, num_malformed = _NOTHING, num_malformed + 1
            is_alike = np.zeros(len(left), bool)
            is_alike[0] = True
            if num_tries < _MOST_TRIES and len(left) >= _FEW and _is_plain(own, event):
                is_alike = _are_alike(rows, event)
                points += _alike(left[is_alike], rows[is_alike], event)
                num_tries += np.sum(is_alike) < _FEW
            else:
                points += [_one(left[:1], event.step, scalar) for scalar in event.scalars]
            if is_alike.sum() == 1:
                left, rows = left[1:], rows[1:]
            else:
                left, rows = left[~is_alike], rows[~is_alike]
    return points, num_malformed


def _gathered(data: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The bytes of records of one length, `[num_records, length]`."""
    rows = np.empty((len(starts), length), np.uint8)
    for i in range(length):
        rows[:, i] = data[starts + i]
    return rows


def _is_plain(own: bytes, event: Event) -> bool:
    """Whether others can be read like this one, by where time, step and values lie."""
    has_places = bool(event.scalars) and all(s.end > s.start for s in event.scalars)
    return has_places and own[0] == _TIME_KEY


def _are_alike(rows: np.ndarray, event: Event) -> np.ndarray:
    """Which records, `[num_records, length]`, have all else in common with the first one."""
    is_fixed = np.ones(rows.shape[1], bool)
    is_fixed[1:_TIME_END] = False
    is_fixed[event.step_start : event.step_end] = False
    for scalar in event.scalars:
        is_fixed[scalar.start : scalar.end] = False
    same = np.all(rows[:, is_fixed] == rows[0, is_fixed], axis=1)
    step = rows[:, event.step_start : event.step_end]
    same_ends = np.all((step >= 0x80) == (step[0] >= 0x80), axis=1)
    return np.asarray(same & same_ends)


def _alike(records: np.ndarray, rows: np.ndarray, event: Event) -> list[_Points]:
    steps = np.zeros(len(rows), np.uint64)
    for i in range(event.step_start, event.step_end):
        shift = np.uint64(7 * (i - event.step_start))
        steps |= (rows[:, i].astype(np.uint64) & np.uint64(0x7F)) << shift
    found = []
    for scalar in event.scalars:
        raw = np.ascontiguousarray(rows[:, scalar.start : scalar.end])
        values = raw.view("<f4")[:, 0].astype(np.float64)
        found.append(_Points(scalar.tag, records, steps.view(np.int64), values))
    return found


def _one(record: np.ndarray, step: int, scalar: Scalar) -> _Points:
    return _Points(scalar.tag, record, np.array([step]), np.array([scalar.value]))


def _by_tag(points: Sequence[_Points]) -> dict[str, Scalars]:
    """The scalars of each tag in the order of the file; tags in the order of appearance."""
    parts: dict[str, list[_Points]] = {}
    for one in points:
        parts.setdefault(one.tag, []).append(one)
    first = {tag: min(int(p.records[0]) for p in of) for tag, of in parts.items()}
    found = {}
    for tag in sorted(parts, key=lambda tag: (first[tag], tag)):
        records = np.concatenate([p.records for p in parts[tag]])
        order = np.argsort(records, kind="stable")
        steps, values = (np.concatenate([getattr(p, name) for p in parts[tag]])[order] for name in ("steps", "values"))
        found[tag] = Scalars(steps, values)
    return found
