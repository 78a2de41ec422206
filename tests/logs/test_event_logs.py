"""TensorBoard event files, from the wire up."""

import struct
import sys

import numpy as np
import pytest

from engine.errors import InputError
from engine.logs import LoggedSeries, ReadOptions, read_curves
from engine.logs.event_logs import read_events
from engine.logs.framing import frame, starts_with_record
from engine.logs.log_table import NoCurveError


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _event(step: int, *values: bytes, time: float = 1.5) -> bytes:
    head = b"\x09" + struct.pack("<d", time)
    head += b"\x10" + _varint(step) if step else b""
    return head + (_bytes(5, b"".join(_bytes(1, value) for value in values)) if values else b"")


def _simple(tag: str, value: float) -> bytes:
    return _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def _tensor(tag: str, content: bytes) -> bytes:
    return _bytes(1, tag.encode()) + _bytes(8, content)


def _file(*events: bytes) -> bytes:
    return frame([b"\x09" + bytes(8) + _bytes(3, b"brain.Event:2"), *events])


def _scalars(event: bytes) -> dict[str, LoggedSeries]:
    found = read_events(_file(event))
    assert found.problems == []
    return found.scalars


def test_plain_zeros_are_values():
    assert _scalars(_event(3, _simple("loss", 0.0)))["loss"].values.tolist() == [0.0]


@pytest.mark.parametrize("step", [0, 1, 127, 128, 300, 2**31, 2**40, -1])
def test_steps_of_every_length(step):
    assert _scalars(_event(step, _simple("a", 0.5)))["a"].steps.tolist() == [step]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"\x08\x01\x12\x00" + _bytes(4, struct.pack("<f", 0.25)), 0.25),
        (b"\x08\x01\x12\x00\x2d" + struct.pack("<f", 0.25), 0.25),
        (b"\x08\x01\x12\x00" + _bytes(5, struct.pack("<f", 0.25)), 0.25),
        (b"\x08\x02" + _bytes(6, struct.pack("<d", 0.1)), 0.1),
        (b"\x08\x03" + _bytes(7, _varint(-7)), -7),
        (b"\x08\x09\x50" + _varint(2**40), 2**40),
        (b"\x08\x13" + _bytes(13, _varint(0x3400)), 0.25),
        (b"\x08\x01\x12\x00", 0.0),
    ],
)
def test_tensors_without_dimensions_are_scalars(content, value):
    assert _scalars(_event(3, _tensor("loss", content)))["loss"].values.tolist() == [value]


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x01" + _bytes(2, _bytes(2, b"\x08\x02")) + _bytes(4, bytes(8)),
        b"\x08\x07" + _bytes(8, b"text"),
        b"\x08\x63",
    ],
)
def test_other_tensors_are_passed_over(content):
    assert _scalars(_event(3, _tensor("image", content))) == {}


@pytest.mark.parametrize("content", [b"\x10", b"\x2a\x7f", b"\x0b", b"\x10" + b"\xff" * 10, b"\x00\x00", b"\x09ab"])
def test_what_is_no_event_is_left_out_and_said(content):
    assert read_events(_file(content)).problems == ["1 record is no event and left out"]


def test_points_of_each_tag_come_in_the_order_of_the_file():
    """Two tags in turn, steps of one to three bytes, and one event with both."""
    generator = np.random.default_rng(0)
    steps = np.sort(generator.integers(0, 100_000, 500)).tolist()
    values = {tag: generator.normal(size=500).astype(np.float32) for tag in ("loss", "other")}
    events = []
    for i, step in enumerate(steps):
        both = [_simple(tag, float(of[i])) for tag, of in values.items()]
        events += [_event(step, *both)] if i % 7 == 0 else [_event(step, one) for one in both]
    found = read_events(_file(*events))
    assert found.problems == []
    for tag, of in values.items():
        assert found.scalars[tag].steps.tolist() == steps
        assert found.scalars[tag].values.tolist() == of.astype(float).tolist()


def test_damage_is_said_and_the_rest_is_read():
    content = _file(*(_event(step, _simple("loss", 2.0)) for step in range(1, 21)))
    record = len(frame([_event(1, _simple("loss", 2.0))]))
    assert len(read_events(content).scalars["loss"].steps) == 20
    for cut in range(1, record):
        found = read_events(content[:-cut])
        assert len(found.scalars["loss"].steps) == 19
        assert "as of a run that still writes" in found.problems[0]
    torn = bytearray(content)
    torn[-record - 6] ^= 1
    found = read_events(bytes(torn))
    assert found.scalars["loss"].steps.tolist() == [*range(1, 19), 20]
    assert found.problems == ["1 of its records are damaged and left out"]
    torn = bytearray(content)
    torn[-3 * record] ^= 1
    found = read_events(bytes(torn))
    assert found.scalars["loss"].steps.tolist() == [*range(1, 18)]
    assert len(found.problems) == 1


def test_any_bytes_are_read_without_an_error():
    generator = np.random.default_rng(1)
    content = _file(*(_event(step, _simple("loss", 2.0)) for step in range(30)))
    for _ in range(300):
        torn = bytearray(content)
        for place in generator.integers(0, len(torn), 3):
            torn[place] = generator.integers(256)
        read_events(bytes(torn[: generator.integers(len(torn))]))
    assert not starts_with_record(b"step,loss\n0,2.3\n")
    assert starts_with_record(content)


def test_files_of_a_folder_are_one_run_that_went_on(tmp_path):
    for name, steps in (("1", range(50)), ("2", range(40, 90))):
        events = [_event(step, _simple("train/loss", 2.3)) for step in steps]
        (tmp_path / f"events.out.tfevents.{name}.host").write_bytes(_file(*events))
    reading = read_curves([str(tmp_path)])
    (curve,) = reading.curves
    assert curve.loss.steps.tolist() == list(range(90))
    assert [kind for kind, _ in reading.notes] == ["restart"]


def test_a_folder_of_validation_is_no_run(tmp_path):
    """Keras' callback writes `train` and `validation`; its steps are epochs, from 0 on."""
    for name in ("train", "validation"):
        (tmp_path / "a" / name).mkdir(parents=True)
        events = [_event(step, _simple("epoch_loss", 2.3)) for step in range(9)]
        (tmp_path / "a" / name / "events.out.tfevents.1.v2").write_bytes(_file(*events))
    reading = read_curves([str(tmp_path)])
    (curve,) = reading.curves
    assert curve.loss.steps.tolist() == list(range(1, 10))
    assert reading.steps_per_epoch == 1


def test_a_log_without_a_loss_names_its_tags(tmp_path):
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(_file(_event(1, _simple("reward", 1.0))))
    with pytest.raises(NoCurveError, match="there are 'reward'"):
        read_curves([str(file)])
    file.write_bytes(_file(*(_event(i, _simple("reward", 1.0)) for i in range(3))))
    reading = read_curves([str(file)], ReadOptions(loss_column="reward"))
    assert len(reading.curves) == 1
    file.write_bytes(b"something else")
    with pytest.raises(InputError, match="no TensorBoard event file"):
        read_curves([str(file)])


def test_a_missing_package_is_said(tmp_path, monkeypatch):
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(_file(_event(1, _simple("loss", 1.0))))
    monkeypatch.setitem(sys.modules, "tensorboardX.proto.event_pb2", None)
    with pytest.raises(InputError, match=r"needs tensorboardX: pip install 'plateau-engine\[tensorboard\]'"):
        read_curves([str(file)])
