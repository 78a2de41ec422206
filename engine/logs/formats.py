"""The formats of logs: one table, in which each says whether a file is one of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from engine.errors import InputError
from engine.logs.csv_logs import read_delimited
from engine.logs.event_logs import Scalars, is_event_file, read_events
from engine.logs.json_logs import read_document, read_lines
from engine.logs.log_files import EVENT_FILE, Source, read_content
from engine.logs.log_table import NoCurveError, Table
from engine.logs.options import ReadOptions
from engine.logs.roles import find_roles

_JSON_LINES = (".jsonl", ".ndjson")
_FIRST_BYTES = 4096
# What Keras calls the loss of an epoch, whose step is the epoch.
_KERAS_LOSS = "epoch_loss"
_STEP, _EPOCH = "step", "epoch"


class Format(NamedTuple):
    """A format of text files.

    Attributes:
        doc: in words.
        is_own: whether a file is one, from its name without `.gz` and its first bytes.
        read: the table in a file.
    """

    doc: str
    is_own: Callable[[str, bytes], bool]
    read: Callable[[Path, bytes, ReadOptions], Table]


def _starts_object(start: bytes) -> bool:
    """Whether a file begins with a whole object on a line of its own, or goes on after it."""
    line, _, rest = start.partition(b"\n")
    return line.strip().startswith(b"{") and line.strip().endswith(b"}") and b"{" in rest[:1]


FORMATS: dict[str, Format] = {
    "json_lines": Format(
        "one JSON object per line",
        lambda name, start: (
            name.endswith(_JSON_LINES) or (not name.endswith(".json") and start[:1] == b"{") or _starts_object(start)
        ),
        read_lines,
    ),
    "json": Format(
        "a JSON document: a list of rows, or a list for each metric",
        lambda name, start: name.endswith(".json") or start[:1] in (b"[", b"{"),
        read_document,
    ),
    "csv": Format("CSV: a header, and rows with commas, semicolons or tabs", lambda name, start: True, read_delimited),
}


def read_text(source: Source, content: bytes, options: ReadOptions) -> Table:
    """The table in a file of text.

    Args:
        source: the file.
        content: its bytes, unpacked.
        options: what is known about it.

    Raises:
        InputError: it cannot be read.
    """
    name = source.path.name.removesuffix(".gz").lower()
    start = content[:_FIRST_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    form = next(form for form in FORMATS.values() if form.is_own(name, start))
    table = form.read(source.path, content, options)
    return table._replace(place=source.place, arm=source.arm)


def is_of_events(source: Source) -> bool:
    """Whether a file is one of TensorBoard's, by its name or its first bytes."""
    return EVENT_FILE in source.path.name


def read_event_folder(sources: Sequence[Source], options: ReadOptions) -> Table:
    """The table of one run's event files, which share a folder.

    Only the tags that have a role become columns: rows are points of any of them.

    Args:
        sources: the files, in the order in which they were written.
        options: what is known about them.

    Raises:
        InputError: a file is none of TensorBoard's.
        NoCurveError: no tag is a loss.
    """
    tags: dict[str, list[Scalars]] = {}
    notes = []
    for source in sources:
        content = read_content(source.path)
        if content and not is_event_file(content):
            raise InputError(f"{source.path}: no TensorBoard event file, or damaged from its start")
        found = read_events(content)
        notes += [f"{source.path}: {problem}" for problem in found.problems]
        for tag, scalars in found.scalars.items():
            tags.setdefault(tag, []).append(scalars)
    path = str(sources[0].path if len(sources) == 1 else sources[0].path.parent)
    if not tags:
        raise NoCurveError(f"{path}: no scalar was logged")
    # A tag called step is a metric here: every point has a step of its own.
    roles = find_roles([t for t in tags if t not in (_STEP, _EPOCH)], options, path)
    columns = _columns_of_tags({tag: tags[tag] for tag in tags if tag in roles.used()})
    if _KERAS_LOSS in roles.losses.values():
        columns = {_EPOCH if name == _STEP else name: c for name, c in columns.items()}
    return Table(path, "TensorBoard", columns, 1, tuple(notes), sources[0].place, sources[0].arm, "point")


def _columns_of_tags(tags: dict[str, list[Scalars]]) -> dict[str, pa.Array]:
    """One row for every point of every tag, with its step."""
    steps = [s.steps for of in tags.values() for s in of]
    columns = {_STEP: pa.array(np.concatenate(steps))}
    num_rows, first = len(columns[_STEP]), 0
    for tag, of in tags.items():
        values = np.concatenate([s.values for s in of])
        is_missing = np.ones(num_rows, bool)
        is_missing[first : first + len(values)] = False
        full = np.zeros(num_rows)
        full[first : first + len(values)] = values
        columns[tag] = pa.array(full, mask=is_missing, from_pandas=False)
        first += len(values)
    return columns
