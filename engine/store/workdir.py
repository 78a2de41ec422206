"""The directory of one study: its `study.json` and its finished runs."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..outcomes import FAILED
from ..outcomes.row import ROW_SCHEMA, RUN_KEY, Row
from . import study_file
from .files import FOLDERS, check_folders, clean_temporaries, remove
from .inventory import Inventory

logger = logging.getLogger(__name__)

# Another process may be writing a report, so only older temporary files of one are removed.
_SECONDS_OF_A_REPORT = 3600.0
LAUNCH = "launch"


class WorkDirectory:
    """The directory of one study, opened with `create_or_resume` or `open_existing`, and its `study.json`."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document
        self._inventory = Inventory(self.parts, document)

    @property
    def parts(self) -> Path:
        """The folder of the finished runs."""
        return self.path / "parts"

    @property
    def num_left_out(self) -> int:
        """Number of parts found damaged or missing so far."""
        return self._inventory.num_left_out

    def save_document(self) -> None:
        """Writes `study.json` and its backup; raises `InputError` if it could not be read again, or `StorageError`."""
        study_file.save(self.path, self.document)

    def discard(self) -> None:
        """Removes a study that has no finished run, and its directory if nothing else is in it."""
        if study_file.has_parts(self.path):
            return
        for name in (study_file.STUDY, study_file.BACKUP, f"parts/{study_file.MANIFEST}", study_file.PAGE):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.parts, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def remove_parts(self) -> None:
        """Removes every finished run of a study whose runs can be read again; raises `StorageError`."""
        check_folders(self.path)
        for file in [*self.parts.glob("*.parquet"), self.parts / study_file.MANIFEST]:
            remove(file)
        self._inventory = Inventory(self.parts, self.document)

    def inspect(self, notify: Callable[[str], None]) -> None:
        """Sets aside damaged and foreign parts and removes temporary files; for the holder of the lock.

        The runs of missing, damaged and foreign parts count as not finished. A line notifies of each problem.

        Raises: see `Inventory.repair`.
        """
        check_folders(self.path)
        for name in FOLDERS:
            clean_temporaries(self.path / name, seconds=_SECONDS_OF_A_REPORT if name == "figures" else None)
        clean_temporaries(self.path, (*study_file.OF_A_LAUNCH, study_file.HOLDER))
        clean_temporaries(self.path, study_file.OF_A_REPORT, _SECONDS_OF_A_REPORT)
        self._inventory.repair(self.path / "damaged", notify)

    def append(self, rows: Sequence[Row], launch: int | None = None) -> None:
        """Stores finished runs as new parts, of the last launch unless another is given by its index.

        Raises:
            InputError: some could not be read again. All others are stored.
            StorageError: they cannot be written. Some may be there; they may be appended again.
        """
        self._inventory.append(rows, len(self.document["launches"]) - 1 if launch is None else launch)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads all finished runs, each once, sorted by arm as in the study, then by seeds.

        What is damaged or missing is left out with a warning. Of a run that is stored twice, a row counts that is not
        `failed`.

        Args:
            columns: what to read besides `RUN_KEY` and `seed`; by default all of `ROW_SCHEMA`, and
                `LAUNCH`: the index of the launch that made the run, null where that is unknown.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
        """
        wanted = ROW_SCHEMA.names if columns is None else [*dict.fromkeys([*RUN_KEY, "seed", *columns])]
        table = self._read_stored([*dict.fromkeys(name for name in (*wanted, "status") if name != LAUNCH)])
        order = {name: i for i, name in enumerate(self.document["arm_order"])}
        keys = zip(*(table[name].to_pylist() for name in ("arm", "seed", *RUN_KEY[1:])), strict=True)
        is_failed = pc.equal(table["status"], FAILED).to_pylist()
        row_of: dict[tuple[int, ...], int] = {}
        for i, (arm, *seeds) in enumerate(keys):
            rank = (order[arm], *(-1 if seed is None else seed for seed in seeds))
            if rank not in row_of or not is_failed[i]:
                row_of[rank] = i
        chosen = pa.array([row_of[rank] for rank in sorted(row_of)], pa.int64())
        return table.select(wanted).take(chosen)

    def _read_stored(self, columns: Sequence[str]) -> pa.Table:
        """Reads all rows of all whole parts, with the launch that wrote them."""
        schema = _schema(columns)
        tables = [schema.empty_table().append_column(LAUNCH, pa.array([], pa.int64()))]
        for table, launch in self._inventory.iterate(schema, logger.warning):
            known = launch if launch is not None and launch < len(self.document["launches"]) else None
            tables.append(table.append_column(LAUNCH, pa.array([known] * len(table), pa.int64())))
        return pa.concat_tables(tables)

    def iterate(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yields every whole part, so that not all are in memory; a run that was stored twice comes twice."""
        return (table for table, _ in self._inventory.iterate(_schema(columns), logger.warning))

    def finished_keys(self, has_outcome: bool = False) -> set[tuple[Any, ...]]:
        """Returns the `RUN_KEY` of every stored run, or only of those that did not fail."""
        table = self.read(columns=["status"])
        if has_outcome:
            table = table.filter(pc.not_equal(table["status"], FAILED))
        return set(keys_of(table))

    def launches_of_runs(self) -> dict[tuple[Any, ...], int | None]:
        """Returns the index of the launch that made each stored run by its `RUN_KEY`; None: unknown."""
        table = self.read(columns=[LAUNCH])
        return dict(zip(keys_of(table), table[LAUNCH].to_pylist(), strict=True))


def keys_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Returns the `RUN_KEY` of each row."""
    return list(zip(*(table[name].to_pylist() for name in RUN_KEY), strict=True))


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([ROW_SCHEMA.field(name) for name in columns])
