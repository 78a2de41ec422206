"""Parts: files of finished runs, named by the hash of their bytes."""

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputError
from engine.store.files import digest, write_atomically
from engine.store.schema import ROW_SCHEMA, Row


def write_part(folder: Path, rows: Sequence[Row]) -> None:
    """Stores finished runs as one new part.

    Args:
        folder: of the parts.
        rows: with the columns of `ROW_SCHEMA`; a missing one is null.
    """
    columns = {name: [row.get(name) for row in rows] for name in ROW_SCHEMA.names}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=ROW_SCHEMA), buffer, compression="zstd")
    content = buffer.getvalue()
    write_atomically(folder / f"{digest(content)}.parquet", content)


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of a schema; those that an older version did not have are null."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if digest(content) != path.stem:
        raise InputError(
            f"{str(path)!r} is damaged (its bytes do not match its name): move it away, and the "
            f"same command runs its seeds again"
        )
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        there = [name for name in schema.names if name in file.schema_arrow.names]
        table = file.read(columns=there)
        for name in set(schema.names) - set(there):
            table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is not a part of a study: {error}") from error
