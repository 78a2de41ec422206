"""A study's directory: its identity and its finished runs."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.store.files import to_json, write_atomically
from engine.store.parts import read_part, write_part
from engine.store.schema import ROW_SCHEMA, RUN_KEY, Row


class WorkDirectory:
    """A study's directory. Open one with `create_or_resume` or `open_existing`.

    Args:
        path: of the directory.
        document: content of `study.json`.
    """

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document

    @property
    def parts(self) -> Path:
        """Where the finished runs are."""
        return self.path / "parts"

    def save_document(self) -> None:
        """Writes `study.json`."""
        write_atomically(self.path / "study.json", to_json(self.document))

    def discard(self) -> None:
        """Removes a study without a finished run; the directory too if nothing else is in it."""
        if list(self.parts.glob("*.parquet")):
            return
        (self.path / "study.json").unlink(missing_ok=True)
        for folder in (self.parts, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def append(self, rows: Sequence[Row]) -> None:
        """Stores finished runs as one new part.

        Args:
            rows: with the columns of `ROW_SCHEMA`; a missing one is null.
        """
        write_part(self.parts, rows)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All finished runs, each once, sorted by arm as in the study, then by seeds.

        Args:
            columns: to read besides the key; all by default.

        Raises:
            InputError: a part is damaged or not one of ours.
        """
        wanted = None if columns is None else list(dict.fromkeys([*RUN_KEY, "seed", *columns]))
        schema = ROW_SCHEMA if wanted is None else pa.schema([ROW_SCHEMA.field(c) for c in wanted])
        tables = list(self.iterate(schema.names))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        order = {name: i for i, name in enumerate(self.document["arm_order"])}
        keys = zip(
            *(table[name].to_pylist() for name in ("arm", "seed", *RUN_KEY[1:])), strict=True
        )
        ranks = {
            (order.get(arm, len(order)), *(-1 if k is None else k for k in rest)): i
            for i, (arm, *rest) in enumerate(keys)
        }
        return table.take(pa.array([ranks[rank] for rank in sorted(ranks)], pa.int64()))

    def iterate(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All parts, one after another, so that not all of them are in memory.

        A run that was stored twice comes twice.

        Args:
            columns: to read.

        Raises:
            InputError: a part is damaged or not one of ours.
        """
        schema = pa.schema([ROW_SCHEMA.field(name) for name in columns])
        for path in sorted(self.parts.glob("*.parquet")):
            yield read_part(path, schema)

    def finished_keys(self) -> set[tuple[Any, ...]]:
        """The `RUN_KEY` of every stored run."""
        table = self.read(columns=[])
        return set(zip(*(table[name].to_pylist() for name in RUN_KEY), strict=True))
