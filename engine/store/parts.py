"""Finished runs in immutable files, each named by the hash of its bytes and listed in a manifest.

Everything that is read is bounded before it is allocated and checked before it is used: a part may
come from a stranger.
"""

import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.plateau import FAILED
from engine.store.files import append_line, digest, write_atomically
from engine.store.schema import ROW_SCHEMA, STATUSES, STOP_REASONS, Row

_ABOUT = b"plateau"
_MAX_FILE_BYTES = 2**30
_MAX_DECODED_BYTES = 2**31
_MAX_ROWS = 2**24
# Of the curves of a part that is written; a single longer run has one of its own.
_PART_BYTES = 2**26
_LISTED = 32

_NEVER_NULL = ("arm", "seed", "init_seed", "order_seed", "noise_seed", "status", "event")
_NEVER_NEGATIVE = (
    *("seed", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed"),
    *("steps_run", "hitting_step", "num_breaks"),
)
_CURVES = {
    "steps": ("loss", "accuracy"),
    "inspected_steps": ("held_out_loss", "held_out_accuracy", "average_loss"),
}


class Damage(NamedTuple):
    """A part whose runs cannot be used, and why."""

    name: str
    reason: str


class PartInfo(NamedTuple):
    """A part that is sound, and the number of the launch that wrote it, where it says so."""

    path: Path
    launch: int | None


class PartFolder:
    """The parts of one study.

    Args:
        folder: where they are.
        manifest: file that lists them.
        fingerprint: of the study, see `versions.fingerprint`.
        arms: names of its arms.
    """

    def __init__(
        self, folder: Path, manifest: Path, fingerprint: str, arms: Collection[str]
    ) -> None:
        self._folder, self._manifest = folder, manifest
        self._fingerprint, self._arms = fingerprint, arms
        self._known: dict[tuple[str, int, int], PartInfo | Damage] = {}

    def append(self, rows: Sequence[Row], launch: int) -> None:
        """Stores finished runs as new parts.

        Args:
            rows: with the columns of `ROW_SCHEMA`; a missing one is null.
            launch: number of the launch that made them.

        Raises:
            StorageError: they cannot be written.
        """
        about = {_ABOUT: json.dumps({"study": self._fingerprint, "launch": launch})}
        for batch in _batches(rows):
            columns = {name: [row.get(name) for row in batch] for name in ROW_SCHEMA.names}
            table = pa.table(columns, schema=ROW_SCHEMA.with_metadata(about))
            buffer = io.BytesIO()
            pq.write_table(table, buffer, compression="zstd")
            content = buffer.getvalue()
            name = digest(content)
            path = self._folder / f"{name}.parquet"
            write_atomically(path, content)
            self._known[_state_of(path)] = PartInfo(path, launch)
            append_line(self._manifest, name)

    def survey(self) -> tuple[list[PartInfo], list[Damage]]:
        """Every part that is sound, and every one that is damaged, foreign or missing."""
        there = {path.stem: path for path in sorted(self._folder.glob("*.parquet"))}
        states = [self._look_at(path) for path in there.values()]
        missing = [name for name in self._listed() if name not in there]
        return (
            [state for state in states if isinstance(state, PartInfo)],
            [state for state in states if isinstance(state, Damage)]
            + [Damage(f"{name}.parquet", "it is missing") for name in missing],
        )

    def _look_at(self, path: Path) -> PartInfo | Damage:
        """Examines a part, unless it was before and has not changed since."""
        try:
            state = _state_of(path)
        except OSError as error:
            return Damage(path.name, str(error.strerror))
        if state not in self._known:
            self._known[state] = self._examine(path)
        return self._known[state]

    def _listed(self) -> list[str]:
        """Names in the manifest; a torn or foreign line is none."""
        try:
            lines = self._manifest.read_text(errors="replace").split("\n")[:-1]
        except OSError:
            return []
        names = dict.fromkeys(line for line in lines if len(line) == _LISTED)
        return [name for name in names if all(sign in "0123456789abcdef" for sign in name)]

    def _examine(self, path: Path) -> PartInfo | Damage:
        try:
            table = _decode(path, ROW_SCHEMA)
            about = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
            study, launch = about.get("study", self._fingerprint), about.get("launch")
            if study != self._fingerprint:
                raise ValueError("it belongs to another study")
            if launch is not None and (type(launch) is not int or launch < 0):
                raise ValueError("it names no launch")
            _check_rows(table, self._arms)
        except (pa.ArrowException, OSError, ValueError, AttributeError, RecursionError) as error:
            return Damage(path.name, " ".join(str(error).split())[:200])
        return PartInfo(path, launch)

    def remove(self, damaged: Sequence[Damage], move: Callable[[Path], None]) -> None:
        """Takes damaged parts away, and lists those that are left.

        Args:
            damaged: of a survey.
            move: called with the path of each that is there.

        Raises:
            StorageError: something cannot be written.
        """
        for damage in damaged:
            path = self._folder / damage.name
            if path.exists():
                move(path)
        sound, _ = self.survey()
        names = sorted(part.path.stem for part in sound)
        if names != sorted(self._listed()):
            write_atomically(self._manifest, "".join(f"{name}\n" for name in names).encode())

    def read(self, part: PartInfo, schema: pa.Schema) -> pa.Table:
        """Columns of a part that is sound; those that an older version did not have are null."""
        return _decode(part.path, schema, is_trusted=True).replace_schema_metadata(None)


def _state_of(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.stem, status.st_size, status.st_mtime_ns


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(value.nbytes for value in row.values() if isinstance(value, np.ndarray))
        if size >= _PART_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decode(path: Path, schema: pa.Schema, is_trusted: bool = False) -> pa.Table:
    """The columns of a schema, with what the file says about itself.

    Raises:
        ValueError, OSError, pyarrow.ArrowException: it is not a part.
    """
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {_MAX_FILE_BYTES >> 30} GiB")
    content = path.read_bytes()
    if not is_trusted and digest(content) != path.stem:
        raise ValueError("its bytes do not match its name")
    file = pq.ParquetFile(io.BytesIO(content))
    _check_size(file.metadata)
    there = [name for name in schema.names if name in file.schema_arrow.names]
    table = file.read(columns=there)
    for name in set(schema.names) - set(there):
        table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
    about = file.schema_arrow.metadata
    return table.select(schema.names).cast(schema).replace_schema_metadata(about)


def _check_size(metadata: Any) -> None:
    """Refuses a part that claims to be larger than any that is written.

    Raises:
        ValueError: it does.
    """
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(j) for group in groups for j in range(group.num_columns)]
    decoded = sum(8 * max(column.num_values, 0) for column in columns)
    decoded = max(decoded, sum(column.total_uncompressed_size for column in columns))
    if metadata.num_rows > _MAX_ROWS or decoded > _MAX_DECODED_BYTES:
        raise ValueError("it claims to hold more than a part may")


def _check_rows(table: pa.Table, arms: Collection[str]) -> None:
    """Holds rows against what any reader relies on.

    Raises:
        ValueError: a row makes no sense.
    """
    table.validate(full=True)
    for name in _NEVER_NULL:
        _demand(table[name].null_count == 0, f"{name} is missing in a row")
    for name, allowed in (
        ("arm", list(arms)),
        ("status", list(STATUSES)),
        ("event", [0, 1, 2]),
        ("stop_reason", [*STOP_REASONS, None]),
    ):
        values = pa.array(allowed, table.schema.field(name).type)
        _demand(pc.all(pc.is_in(table[name], values)).as_py() is not False, f"{name} is unknown")
    for name in _NEVER_NEGATIVE:
        least = pc.min(table[name]).as_py()
        _demand(least is None or least >= 0, f"{name} is negative")
    for field in table.schema:
        if pa.types.is_float64(field.type):
            is_finite = pc.all(pc.is_finite(table[field.name])).as_py()
            _demand(is_finite is not False, f"{field.name} is not finite")
    is_forked = pc.is_valid(table["fork_step"])
    _demand(is_forked.equals(pc.is_valid(table["fork_order_seed"])), "a fork is incomplete")
    for steps, curves in _CURVES.items():
        _check_curves(table, steps, curves)


def _check_curves(table: pa.Table, steps: str, curves: Sequence[str]) -> None:
    """Curves of a run are as long as their steps, which increase."""
    lengths = pc.list_value_length(table[steps])
    has_outcome = pc.and_(pc.not_equal(table["status"], FAILED), pc.is_null(lengths))
    if steps == "steps":
        _demand(not pc.any(has_outcome).as_py(), "a run has no curve")
    for name in curves:
        own = pc.list_value_length(table[name])
        is_equal = pc.all(pc.equal(own, lengths)).as_py()
        _demand(is_equal is not False, f"{name} is not as long as {steps}")
    for chunk in table[steps].chunks:
        values = chunk.flatten().to_numpy(zero_copy_only=False)
        sizes = np.nan_to_num(pc.list_value_length(chunk).to_numpy(zero_copy_only=False))
        is_inside = np.ones(len(values), bool)
        is_inside[np.append(0, np.cumsum(sizes)[:-1]).astype(int)[sizes > 0]] = False
        rises = np.diff(values, prepend=values[:1]) > 0
        _demand(bool(np.all(rises[is_inside])), f"{steps} do not increase")


def _demand(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)
