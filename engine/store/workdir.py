"""A study's directory: its identity and its finished runs."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.outcomes import FAILED
from engine.outcomes.row import ROW_SCHEMA, RUN_KEY, Row
from engine.store import study_file
from engine.store.files import FOLDERS, check_folders, clean_temporaries, storage_error
from engine.store.inventory import Inventory

logger = logging.getLogger(__name__)

# A report may be written at the same time, so only older files of one are left-overs.
_SECONDS_OF_A_REPORT = 3600.0


class WorkDirectory:
    """A study's directory. Open one with `create_or_resume` or `open_existing`.

    Args:
        path: of the directory.
        document: content of `study.json`.
    """

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document
        self._inventory = Inventory(self.parts, document)

    @property
    def parts(self) -> Path:
        """Where the finished runs are."""
        return self.path / "parts"

    @property
    def num_left_out(self) -> int:
        """Parts that are damaged or missing, of those that were read so far."""
        return self._inventory.num_left_out

    def save_document(self) -> None:
        """Writes `study.json` and its backup.

        Raises:
            StorageError: one cannot be written.
        """
        study_file.save(self.path, self.document)

    def discard(self) -> None:
        """Removes a study without a finished run; the directory too if nothing else is in it."""
        if study_file.has_parts(self.path):
            return
        for file in (
            self.path / study_file.STUDY,
            self.path / study_file.BACKUP,
            self.parts / study_file.MANIFEST,
            self.path / "report.html",
        ):
            file.unlink(missing_ok=True)
        for folder in (self.parts, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def remove_parts(self) -> None:
        """Removes every finished run, of a study whose runs can be read again.

        Raises:
            StorageError: one cannot be removed.
        """
        check_folders(self.path)
        for file in [*self.parts.glob("*.parquet"), self.parts / study_file.MANIFEST]:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(file, error) from error
        self._inventory = Inventory(self.parts, self.document)

    def inspect(self, notify: Callable[[str], None]) -> None:
        """Finds what is damaged, foreign or missing, sets it aside and cleans up; for a launch.

        Its runs count as not finished. Only who holds the lock may do this.

        Args:
            notify: is told, in a line each, what is not whole.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
            StorageError: something cannot be moved or written.
        """
        check_folders(self.path)
        for name in FOLDERS:
            of_report = name == "figures"
            seconds = _SECONDS_OF_A_REPORT if of_report else None
            clean_temporaries(self.path / name, seconds=seconds)
        clean_temporaries(self.path, study_file.OF_A_LAUNCH)
        clean_temporaries(self.path, study_file.OF_A_REPORT, _SECONDS_OF_A_REPORT)
        self._inventory.repair(self.path / "damaged", notify)

    def append(self, rows: Sequence[Row], launch: int | None = None) -> None:
        """Stores finished runs as new parts.

        Args:
            rows: with the columns of `ROW_SCHEMA`; a missing one is null.
            launch: index of the launch that made them; the last one by default.

        Raises:
            StorageError: they cannot be written. Some may be there; they may be appended again.
        """
        last = len(self.document["launches"]) - 1
        self._inventory.append(rows, last if launch is None else launch)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All finished runs, each once, sorted by arm as in the study, then by seeds.

        What is damaged or missing is left out, and said in a line. Where a run is there twice and
        one of the two is `failed`, the other one counts.

        Args:
            columns: to read besides the key; all by default.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
        """
        wanted = ROW_SCHEMA.names
        if columns is not None:
            wanted = list(dict.fromkeys([*RUN_KEY, "seed", *columns]))
        read = list(dict.fromkeys([*wanted, "status"]))
        tables = list(self.iterate(read))
        table = pa.concat_tables(tables) if tables else _schema(read).empty_table()
        order = {name: i for i, name in enumerate(self.document["arm_order"])}
        keys = zip(*(table[name].to_pylist() for name in ("arm", "seed", *RUN_KEY[1:])), strict=True)
        is_failed = pc.equal(table["status"], FAILED).to_pylist()
        ranks: dict[tuple[int, ...], int] = {}
        for i, (arm, *rest) in enumerate(keys):
            rank = (order[arm], *(-1 if k is None else k for k in rest))
            if rank not in ranks or not is_failed[i]:
                ranks[rank] = i
        chosen = pa.array([ranks[rank] for rank in sorted(ranks)], pa.int64())
        return table.select(wanted).take(chosen)

    def iterate(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All parts that are whole, one after another, so that not all of them are in memory.

        A run that was stored twice comes twice.

        Args:
            columns: to read.

        Raises:
            InputError: a part may not be read, or is larger than the memory.
        """
        for table, _ in self._inventory.iterate(_schema(columns), logger.warning):
            yield table

    def finished_keys(self, has_outcome: bool = False) -> set[tuple[Any, ...]]:
        """The `RUN_KEY` of every stored run.

        Args:
            has_outcome: whether to leave out those that failed.
        """
        table = self.read(columns=["status"])
        if has_outcome:
            table = table.filter(pc.not_equal(table["status"], FAILED))
        return set(zip(*(table[name].to_pylist() for name in RUN_KEY), strict=True))

    def launches_of_runs(self) -> dict[tuple[Any, ...], int | None]:
        """The index of the launch that made each stored run, by its `RUN_KEY`.

        It is `None` where the run's part does not say, as those of older versions, or names a
        launch that the study does not have.
        """
        found: dict[tuple[Any, ...], int | None] = {}
        failed: set[tuple[Any, ...]] = set()
        num_launches = len(self.document["launches"])
        schema = _schema([*RUN_KEY, "status"])
        for table, origin in self._inventory.iterate(schema, logger.warning):
            launch = origin.launch
            if launch is not None and launch >= num_launches:
                launch = None
            for *key, status in zip(*(column.to_pylist() for column in table.columns), strict=True):
                run = tuple(key)
                if run not in found or run in failed or status != FAILED:
                    found[run] = launch
                    (failed.add if status == FAILED else failed.discard)(run)
        return found


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([ROW_SCHEMA.field(name) for name in columns])
