"""Event files: framing and checksums by known answers, content as TensorBoard reads it."""

import struct

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from engine.logs.framing import frame
from engine.observers.event_file import EventSeries, encode_file

# Lengths of a varint change at powers of 128.
STEPS = np.array([0, 1, 127, 128, 16383, 16384, 2**21, 2**31 + 5, 2**45])


def _records(content: bytes) -> list[Event]:
    """Every event, with lengths and checksums checked."""
    found = []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        data, sums = content[12 : 12 + length], (content[8:12], content[12 + length : 16 + length])
        for part, checksum in zip((content[:8], data), sums, strict=True):
            assert _masked(part) == struct.unpack("<I", checksum)[0]
        found.append(Event.FromString(data))
        content = content[16 + length :]
    return found


def _masked(content: bytes) -> int:
    """The same checksum bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _read(folder, **size) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return accumulator


def test_an_empty_record():
    assert _records(frame([b""])) == [Event()]


def test_tensorboard_reads_back_what_was_written(tmp_path):
    rng = np.random.default_rng(1)
    loss = rng.standard_normal(len(STEPS)).astype(np.float32)
    loss[3], loss[4] = np.inf, np.nan
    series = [EventSeries(STEPS, {"run/loss": loss, "run/größe": -loss})]
    series.append(EventSeries(STEPS[::2], {"run/held_out": loss[::2]}))
    (tmp_path / "events.out.tfevents.1").write_bytes(encode_file(12.5, series))
    found = _read(tmp_path)
    assert sorted(found.Tags()["scalars"]) == ["run/größe", "run/held_out", "run/loss"]
    for tag, steps, values in (
        ("run/loss", STEPS, loss),
        ("run/größe", STEPS, -loss),
        ("run/held_out", STEPS[::2], loss[::2]),
    ):
        events = found.Scalars(tag)
        assert [event.step for event in events] == steps.tolist()
        np.testing.assert_array_equal([event.value for event in events], values)
        assert {event.wall_time for event in events} == {12.5}


def test_events_come_in_the_order_of_their_steps_and_say_what_they_are():
    series = [EventSeries(np.array([0, 200, 300]), {"a": np.arange(3)})]
    series.append(EventSeries(np.array([100, 200]), {"b": np.arange(2)}))
    events = _records(encode_file(1.0, series, {"a": "what it is"}))
    assert events[0].file_version == "brain.Event:2"
    assert events[1].session_log.status == 1
    assert [event.step for event in events[2:]] == [0, 100, 200, 200, 300]
    (first,) = events[2].summary.value
    assert first.metadata.summary_description == "what it is"
    assert not events[3].summary.value[0].HasField("metadata")


def test_a_later_file_of_a_folder_takes_the_place_of_an_earlier_one(tmp_path):
    for number, steps in ((1, [0, 10, 20]), (2, [0, 10])):
        content = encode_file(1.0, [EventSeries(np.array(steps), {"a": np.full(len(steps), number)})])
        (tmp_path / f"events.out.tfevents.{number}").write_bytes(content)
    events = _read(tmp_path).Scalars("a")
    assert [(event.step, event.value) for event in events] == [(0, 2), (10, 2)]


def test_a_file_is_a_function_of_what_it_holds():
    def make(value):
        return encode_file(2.0, [EventSeries(np.arange(3), {"a": np.full(3, value)})])

    assert make(1.0) == make(1.0)
    assert make(1.0) != make(1.5)


def test_nothing_to_write_is_a_file_too(tmp_path):
    content = encode_file(2.0, [EventSeries(np.zeros(0, int), {"a": np.zeros(0)}), EventSeries(STEPS, {})])
    assert len(_records(content)) == 2


def test_summaries_for_plugins_come_first():
    summaries = [Summary(value=[Summary.Value(tag=tag)]) for tag in ("x", "y")]
    events = _records(encode_file(0.0, [EventSeries(STEPS, {"a": STEPS})], {}, summaries))
    assert [event.summary.value[0].tag for event in events[2:4]] == ["x", "y"]
    assert len(events) == 4 + len(STEPS)
