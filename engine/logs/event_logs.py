"""TensorBoard's event files: every record is an event, which has a step and may hold scalars."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..errors import InputError, counted
from .column_roles import find_roles
from .framing import find_records, have_checksums, starts_with_record
from .log_files import LogFile, read_content
from .log_table import LogTable, NoCurveError
from .logged_curves import LoggedSeries
from .options import ReadOptions

# Longer records hold graphs, images or tables.
_LONGEST_RECORD = 2**16
_LONGEST_TAG = 1024
# What Keras calls the loss of an epoch, whose step is the epoch.
_KERAS_LOSS = "epoch_loss"
_STEP, _EPOCH = "step", "epoch"
# NumPy's types by TensorFlow's numbers of them, and the fields of tensors that hold them; other types are in `int_val`.
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2"}
_FIELDS = {"<f4": "float_val", "<f8": "double_val", "<i8": "int64_val", "?": "bool_val", "<f2": "half_val"}


class EventFile(NamedTuple):
    """The scalars of an event file by tag, in the order of the file, and what is wrong with the file, in words."""

    scalars: dict[str, LoggedSeries]
    problems: list[str]


def read_event_table(files: Sequence[LogFile], options: ReadOptions) -> LogTable:
    """Reads the event files of one run, in the order in which they were written, into a table with a row per point.

    Only tags that have a role become columns. Raises `InputError`, and `NoCurveError` where no tag is a loss.
    """
    parts: defaultdict[str, list[LoggedSeries]] = defaultdict(list)
    notes = []
    for file in files:
        content = read_content(file.path)
        if content and not starts_with_record(content):
            raise InputError(f"{file.path}: no TensorBoard event file, or damaged from its start")
        found = read_events(content)
        notes += [f"{file.path}: {problem}" for problem in found.problems]
        for tag, scalars in found.scalars.items():
            parts[tag].append(scalars)
    origin = files[0] if len(files) == 1 else files[0]._replace(path=files[0].path.parent)
    if not parts:
        raise NoCurveError(f"{origin.path}: no scalar was logged")
    # Every point has a step of its own, so a tag called step is a metric.
    roles = find_roles([tag for tag in parts if tag not in (_STEP, _EPOCH)], options, str(origin.path))
    step = _EPOCH if _KERAS_LOSS in roles.losses.values() else _STEP
    used = {tag: [np.concatenate(c) for c in zip(*p, strict=True)] for tag, p in parts.items() if tag in roles.used()}
    columns = {step: pa.array(np.concatenate([steps for steps, _ in used.values()]))}
    num_before = 0
    for tag, (_, values) in used.items():
        num_after = len(columns[step]) - num_before - len(values)
        pieces = [pa.nulls(num_before, pa.float64()), pa.array(values), pa.nulls(num_after, pa.float64())]
        columns[tag] = pa.concat_arrays(pieces)
        num_before += len(values)
    return LogTable(origin, "TensorBoard", columns, notes=tuple(notes), row_word="point")


def read_events(content: bytes) -> EventFile:
    """Reads the scalars of an event file as far as it is whole; records with a wrong checksum are left out."""
    try:
        from google.protobuf.message import DecodeError
        from tensorboardX.proto.event_pb2 import Event
    except ImportError:
        raise InputError(
            "reading TensorBoard event files needs tensorboardX: pip install 'plateau-engine[tensorboard]'"
        ) from None
    starts, lengths, end = find_records(content)
    problems = []
    if end < len(content):
        place = f"from byte {end} of {len(content)} on"
        problems.append(f"it is not whole {place}, as of a run that still writes or was killed")
    starts, lengths = (a[lengths <= _LONGEST_RECORD] for a in (starts, lengths))
    is_right = have_checksums(content, starts, lengths)
    if not is_right.all():
        problems.append(f"{int(np.sum(~is_right))} of its records are damaged and left out")
    points: dict[str, tuple[array[int], array[float]]] = defaultdict(lambda: (array("q"), array("d")))
    parse, num_malformed = Event.FromString, 0
    for start, stop in zip(starts[is_right].tolist(), (starts + lengths)[is_right].tolist(), strict=True):
        try:
            event = parse(content[start:stop])
        except DecodeError:
            num_malformed += 1
            continue
        step, summary = event.step, event.summary.value
        # Most events hold one value, and protobuf is slow at iterating.
        for value in (summary[0],) if len(summary) == 1 else summary:
            # Zero is also what a value without a number gives.
            number = value.simple_value or _number(value)
            if number is not None:
                steps, values = points[value.tag]
                steps.append(step)
                values.append(number)
    if num_malformed:
        problems.append(f"{counted(num_malformed, 'record is no event and', 'records are no events and')} left out")
    scalars = {tag: LoggedSeries(*map(np.asarray, p)) for tag, p in points.items() if len(tag) <= _LONGEST_TAG}
    return EventFile(scalars, problems)


def _number(value: Any) -> float | None:
    """Returns the number in a `Summary.Value`, plain or as a tensor without dimensions; `None` if it has none."""
    if value.HasField("simple_value"):
        return 0.0
    tensor = value.tensor
    kind = _TYPES.get(tensor.dtype)
    if kind is None or tensor.tensor_shape.dim:
        return None
    if content := tensor.tensor_content:
        return float(np.frombuffer(content, kind)[0]) if len(content) == np.dtype(kind).itemsize else None
    # A zero need not be written.
    (number, *more) = getattr(tensor, _FIELDS.get(kind, "int_val")) or (0,)
    if kind == "<f2":
        number = np.uint16(number & 0xFFFF).view(np.float16)
    return None if more else float(number)
