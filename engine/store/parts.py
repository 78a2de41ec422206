"""Parts: Parquet files of finished runs, named by the hash of their bytes, that name their study."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError, counted
from ..outcomes.row import CURVE_NAMES, METRIC_COLUMNS, ROW_SCHEMA, Row
from .files import DamagedError, digest, read_bounded
from .json_files import checksum
from .rows import check_rows

# Curve values of one part; a run that has more is a part of its own.
PART_BYTES = 64 * 2**20
_PART_ROWS = 2**16
# Bounds on what is read.
_MAX_FILE_BYTES = 2 * 2**30
_MAX_DECOMPRESSED_BYTES = 2 * 2**30
_MAX_ROWS = 2**20
_MAX_FOOTER_STRING = 2**18
_MAX_FOOTER_LIST = 2**12
_OUR_WRITER = "parquet-cpp-arrow"
_STUDY_KEY, _LAUNCH_KEY = b"plateau.study", b"plateau.launch"
# Entries of an identity that may still change once there are rows.
_LATE = ("form", "fork_step")
_WITHOUT_METRIC = pa.schema([field for field in ROW_SCHEMA if field.name not in METRIC_COLUMNS])
_SERIES, _SERIES_BYTES = "diagnostics", 4


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Returns the hash of a study's identity, by which its parts name it."""
    return checksum({name: value for name, value in identity.items() if name not in _LATE})


def split(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yields rows in pieces of at most 64 MiB of curve values, in their order."""
    first, size = 0, 0
    for i, row in enumerate(rows):
        num_bytes = sum(_num_bytes(name, row.get(name)) for name in CURVE_NAMES)
        if i > first and (size + num_bytes > PART_BYTES or i - first == _PART_ROWS):
            yield rows[first:i]
            first, size = i, 0
        size += num_bytes
    if first < len(rows):
        yield rows[first:]


def _num_bytes(name: str, curve: Any) -> int:
    if curve is None:
        return 0
    if name == _SERIES:
        return sum(len(one["values"] or ()) for one in curve) * _SERIES_BYTES
    return len(curve) * (ROW_SCHEMA.field(name).type.value_type.bit_width // 8)


def encode(rows: Sequence[Row], study: str, launch: int) -> bytes:
    """Returns the bytes of a part of the study with a fingerprint, with rows that one launch made."""
    return encode_table(pa.Table.from_pylist(rows, schema=ROW_SCHEMA), study, launch)


def encode_table(table: pa.Table, study: str, launch: int) -> bytes:
    """Returns the bytes of a part, with the rows of a table."""
    about = {_STUDY_KEY: study, _LAUNCH_KEY: str(launch)}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), buffer, compression="zstd", write_statistics=False)
    return buffer.getvalue()


def inspect_part(path: Path, document: Mapping[str, Any], study: str) -> tuple[int, int | None]:
    """Checks everything about a part of the study with a document and a fingerprint.

    Returns:
        Its number of rows, and the index of the launch that wrote it; None where it does not say.

    Raises:
        DamagedError: it is damaged, or not of this study.
        FileNotFoundError: it is gone.
        InputError: it may not be read, or is larger than the memory.
    """
    return inspect_content(_content(path), document, study)


def inspect_content(content: bytes, document: Mapping[str, Any], study: str) -> tuple[int, int | None]:
    """Checks the bytes of a part like `inspect_part`, before they are in a file."""
    try:
        with _opened(content) as file:
            about = file.metadata.metadata or {}
            if about.get(_STUDY_KEY) != study.encode():
                raise DamagedError("a part of another study")
            table = _completed(file.read(use_threads=False))
            table.validate(full=True)
            check_rows(table, document)
            launch = about.get(_LAUNCH_KEY, b"")
            return len(table), int(launch) if launch.isdigit() and len(launch) < 10 else None
    except (DamagedError, InputError):
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise DamagedError(f"not a part: {reason}") from None


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """Reads the columns of a schema from a part that was inspected; raises as `inspect_part` if it has changed."""
    with _opened(_content(path)) as file:
        # One thread: a failed allocation in another one ends the process.
        return _completed(file.read(columns=schema.names, use_threads=False)).select(schema.names).cast(schema)


def _completed(table: pa.Table) -> pa.Table:
    """Returns the rows of a part with nulls in the columns that it may lack."""
    for name in METRIC_COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), ROW_SCHEMA.field(name).type))
    return table


def _content(path: Path) -> bytes:
    """Reads a part whose bytes match its name."""
    try:
        content = read_bounded(path, _MAX_FILE_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except MemoryError:
        raise InputError(f"{str(path)!r} needs more memory than there is") from None
    if digest(content) != path.stem:
        raise DamagedError("its bytes do not match its name")
    return content


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[pq.ParquetFile]:
    """Opens the bytes of a part whose metadata are within bounds."""
    try:
        limits = {"thrift_string_size_limit": _MAX_FOOTER_STRING, "thrift_container_size_limit": _MAX_FOOTER_LIST}
        with pq.ParquetFile(pa.BufferReader(content), **limits) as file:
            _check_metadata(file.metadata, file.schema_arrow)
            yield file
    except MemoryError:
        raise InputError(f"a part of {len(content):,} bytes needs more memory than there is") from None


def _check_metadata(metadata: pq.FileMetaData, schema: pa.Schema) -> None:
    """Checks the columns of a file and the sizes that its own metadata state, before it is read."""
    if not metadata.created_by.startswith(_OUR_WRITER):
        raise DamagedError("written by another program")
    if not (schema.equals(ROW_SCHEMA) or schema.equals(_WITHOUT_METRIC)):
        raise DamagedError(f"not the columns of a part: {_first_difference(schema)}")
    if metadata.num_rows > _MAX_ROWS:
        raise DamagedError(f"{counted(metadata.num_rows, 'row')}, expected at most {_MAX_ROWS}")
    # Their columns are not looked at: where those contradict themselves, pyarrow ends the process.
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise DamagedError("its groups hold another number of rows than it says")
    if sum(group.total_byte_size for group in groups) > _MAX_DECOMPRESSED_BYTES:
        raise DamagedError(f"more than {_MAX_DECOMPRESSED_BYTES // 2**20} MiB once it is decompressed")


def _first_difference(schema: pa.Schema) -> str:
    pairs = zip(schema, ROW_SCHEMA, strict=False)
    return next((repr(own.name) for own, ours in pairs if not own.equals(ours)), "too many or too few")
