"""Parts: files of finished runs, named by the hash of their bytes, that say whose they are."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.errors import InputError
from engine.outcomes.row import CURVE_NAMES, ROW_SCHEMA, Row
from engine.store.files import DamagedError, digest, read_bounded
from engine.store.json_files import checksum
from engine.store.pages import MAX_DECODED_BYTES, check_sizes
from engine.store.rows import check_rows, check_types

# Curve values of one part; a run that has more is a part of its own.
_PART_BYTES = 64 * 2**20
_PART_ROWS = 2**16
_MAX_FILE_BYTES = 2 * 2**30
# Of columns, groups of rows and pages, in the summary of a part.
_MOST_IN_A_LIST = 2**12
_STUDY_KEY, _LAUNCH_KEY = b"plateau.study", b"plateau.launch"
# What of a study's identity may still change once there are rows.
_LATE = ("form", "fork_step")
_SERIES, _SERIES_BYTES = "diagnostics", 4
_TEXTS = [field.name for field in ROW_SCHEMA if pa.types.is_string(field.type)]


class Origin(NamedTuple):
    """Whose a part is; `None` where it does not say, as those of older versions.

    Attributes:
        study: fingerprint of the study.
        launch: index of the launch that wrote it.
    """

    study: str | None
    launch: int | None


def fingerprint(identity: Mapping[str, Any]) -> str:
    """What names a study in its parts: the hash of its identity."""
    return checksum({name: value for name, value in identity.items() if name not in _LATE})


def split(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows in pieces of at most 64 MiB of curve values, in their order."""
    first, size = 0, 0
    for i, row in enumerate(rows):
        own = sum(_num_bytes(name, row.get(name)) for name in CURVE_NAMES)
        if i > first and (size + own > _PART_BYTES or i - first == _PART_ROWS):
            yield rows[first:i]
            first, size = i, 0
        size += own
    if first < len(rows):
        yield rows[first:]


def _num_bytes(name: str, curve: Any) -> int:
    if curve is None:
        return 0
    if name == _SERIES:
        return sum(len(one["values"] or ()) for one in curve) * _SERIES_BYTES
    width: int = ROW_SCHEMA.field(name).type.value_type.bit_width // 8
    return len(curve) * width


def encode(rows: Sequence[Row], origin: Origin) -> bytes:
    """A part's bytes.

    Args:
        rows: with the columns of `ROW_SCHEMA`; a missing one is null.
        origin: whose it is.
    """
    columns = {name: [row.get(name) for row in rows] for name in ROW_SCHEMA.names}
    said = {_STUDY_KEY: origin.study, _LAUNCH_KEY: origin.launch}
    about = {key: str(value) for key, value in said.items() if value is not None}
    table = pa.table(columns, schema=ROW_SCHEMA.with_metadata(about))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_statistics=False)
    return buffer.getvalue()


def read_content(path: Path) -> bytes:
    """A part's bytes, which are those that were written.

    Raises:
        DamagedError: they are not.
        FileNotFoundError: it is gone.
        InputError: it may not be read.
    """
    try:
        content = read_bounded(path, _MAX_FILE_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except MemoryError:
        raise _too_large(path) from None
    if digest(content) != path.stem:
        raise DamagedError("its bytes do not match its name")
    return content


def inspect_part(path: Path, document: Mapping[str, Any], study: str) -> tuple[int, Origin]:
    """Checks everything about a part.

    Args:
        path: of the part.
        document: of the study.
        study: its fingerprint.

    Returns:
        Its number of rows, and whose it is.

    Raises:
        DamagedError: it is damaged, or none of this study's.
        FileNotFoundError: it is gone.
        InputError: it may not be read, or is larger than the memory.
    """
    content = read_content(path)
    try:
        there = check_sizes(content)
        with _opened(content, [name for name in _TEXTS if name in there]) as file:
            origin = _origin(file.metadata.metadata or {})
            if origin.study not in (None, study):
                raise DamagedError("a part of another study")
            table = _table(file, ROW_SCHEMA)
            table.validate(full=True)
            check_rows(table, document)
            return table.num_rows, origin
    except DamagedError:
        raise
    except MemoryError:
        raise _too_large(path) from None
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise DamagedError(f"not a part: {_first_line(error)}") from None


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of a schema; those that an older version did not have are null.

    Args:
        path: of a part that was inspected.
        schema: some columns of `ROW_SCHEMA`.

    Raises:
        DamagedError: it has changed since.
        FileNotFoundError: it is gone.
        InputError: it may not be read, or is larger than the memory.
    """
    try:
        with _opened(read_content(path)) as file:
            return _table(file, schema)
    except MemoryError:
        raise _too_large(path) from None


def _too_large(path: Path) -> InputError:
    return InputError(f"{str(path)!r} needs more memory than there is")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]


def _opened(content: bytes, texts: Sequence[str] = ()) -> pq.ParquetFile:
    """A part whose sizes are known; of some columns of text each word is read once."""
    return pq.ParquetFile(
        pa.BufferReader(content),
        read_dictionary=list(texts),
        thrift_string_size_limit=len(content),
        thrift_container_size_limit=_MOST_IN_A_LIST,
    )


def _origin(about: Mapping[bytes, bytes]) -> Origin:
    study, launch = (about.get(key) for key in (_STUDY_KEY, _LAUNCH_KEY))
    is_index = launch is not None and launch.isdigit() and len(launch) < 10
    return Origin(
        None if study is None else study.decode(errors="replace"),
        int(launch) if launch is not None and is_index else None,
    )


def _table(file: pq.ParquetFile, schema: pa.Schema) -> pa.Table:
    own = file.schema_arrow
    check_types(own)
    there = [name for name in schema.names if name in own.names]
    # One thread, because what cannot be allocated in another ends the process.
    table = file.read(columns=there, use_threads=False)
    for name in set(schema.names) - set(there):
        table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
    for name in set(_TEXTS) & set(there):
        if pa.types.is_dictionary(table[name].type):
            table = table.set_column(table.column_names.index(name), name, _text(table[name]))
    return table.select(schema.names).cast(schema)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text, of which few words can stand for many rows, spelled out."""
    num_bytes = 0
    for chunk in column.chunks:
        sizes = pc.fill_null(pc.binary_length(chunk.dictionary), 0).to_numpy()
        indices = pc.drop_null(chunk.indices).to_numpy()
        if np.any((indices < 0) | (indices >= len(sizes))):
            raise DamagedError("text that is not there")
        num_bytes += int(sizes.astype(np.int64)[indices].sum())
    if num_bytes > MAX_DECODED_BYTES:
        raise DamagedError(f"more than {MAX_DECODED_BYTES // 2**20} MiB of text")
    return column.cast(pa.string())
