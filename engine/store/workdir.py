"""A study's directory: its `study.json`, its finished runs, and what is set aside."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import InputError
from engine.plateau import FAILED
from engine.store.files import check_folder, read_json, storing, to_json, write_atomically
from engine.store.lock import STUDY_NAMES
from engine.store.parts import Damage, PartFolder
from engine.store.schema import ROW_SCHEMA, RUN_KEY, Row
from engine.store.versions import checksum, fingerprint, read_document

# What a later launch of a study adds to, or leaves as it is.
_KEPT = ("looks", "tuned_milliseconds")
_FOLDERS = ("parts", "checkpoint", "figures", "damaged")


def say(line: str) -> None:
    """Prints a line for people, beside what a command prints."""
    print(f"note: {line}", file=sys.stderr)


class WorkDirectory:
    """A study's directory. Open one with `create_or_resume` or `open_existing`.

    Args:
        path: of the directory.
        document: content of `study.json`.

    Attributes:
        path: of the directory.
        document: content of `study.json`.
        is_restored: whether that is from the second copy, because the first is damaged.
    """

    def __init__(self, path: Path, document: dict[str, Any], is_restored: bool = False) -> None:
        self.path = path
        self.document = document
        self.is_restored = is_restored
        names = document["arm_order"]
        self._parts = PartFolder(self.parts, path / "manifest", fingerprint(document), names)
        self._is_told = False

    @property
    def parts(self) -> Path:
        """Where the finished runs are."""
        return self.path / "parts"

    def save_document(self) -> None:
        """Writes `study.json`, and a second copy of it.

        Raises:
            StorageError: it cannot be written.
        """
        self.document["checksum"] = checksum(self.document)
        for name in STUDY_NAMES:
            write_atomically(self.path / name, to_json(self.document))

    def discard(self) -> None:
        """Removes a study without a finished run."""
        if list(self.parts.glob("*.parquet")):
            return
        for name in (*STUDY_NAMES, "manifest"):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.parts, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def append(self, rows: Sequence[Row]) -> None:
        """Stores finished runs, made by the last launch.

        Args:
            rows: with the columns of `ROW_SCHEMA`; a missing one is null.

        Raises:
            StorageError: they cannot be written.
        """
        self._parts.append(rows, len(self.document["launches"]) - 1)

    def damage(self) -> list[Damage]:
        """Parts whose runs are left out, because they are damaged, missing or not of this study."""
        return self._parts.survey()[1]

    def mend(self, notify: Callable[[str], None] = say) -> None:
        """Sets everything aside that is damaged, so that its runs are made again.

        Only the holder of the lock may call it.

        Args:
            notify: called with a line for each.

        Raises:
            StorageError: something cannot be moved.
        """
        damaged = self.damage()
        for name, reason in damaged:
            notify(f"parts/{name}: {reason}; its runs are made again")
        self._parts.remove(damaged, self.set_aside)

    def set_aside(self, path: Path) -> None:
        """Moves a damaged file out of the way; nothing is lost by it.

        Raises:
            StorageError: it cannot be moved.
        """
        folder = self.path / "damaged"
        check_folder(folder)
        with storing(folder):
            folder.mkdir(exist_ok=True)
            number = 0
            while (target := folder / f"{path.name}.{number}").exists():
                number += 1
            path.rename(target)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All finished runs, each once, sorted by arm as in the study, then by seeds.

        Of a run that was stored twice, one with an outcome counts.

        Args:
            columns: to read besides the key; all by default.
        """
        wanted = None if columns is None else list(dict.fromkeys([*RUN_KEY, "seed", *columns]))
        schema = ROW_SCHEMA if wanted is None else pa.schema([ROW_SCHEMA.field(c) for c in wanted])
        order = {name: i for i, name in enumerate(self.document["arm_order"])}
        tables = list(self.iterate([*dict.fromkeys([*schema.names, "status"])]))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        names = ("arm", "seed", *RUN_KEY[1:])
        keys = zip(*(table[name].to_pylist() for name in names), strict=True)
        has_failed = [s == FAILED for s in table["status"].to_pylist()] if tables else []
        ranks: dict[tuple[int, ...], int] = {}
        for i, (arm, *rest) in enumerate(keys):
            rank = (order[arm], *(-1 if k is None else k for k in rest))
            if rank not in ranks or has_failed[ranks[rank]]:
                ranks[rank] = i
        chosen = pa.array([ranks[rank] for rank in sorted(ranks)], pa.int64())
        return table.take(chosen).select(schema.names)

    def iterate(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All parts, one after another, so that not all of them are in memory.

        A run that was stored twice comes twice. What is damaged is left out, and said.

        Args:
            columns: to read.
        """
        schema = pa.schema([ROW_SCHEMA.field(name) for name in columns])
        sound, damaged = self._parts.survey()
        if not self._is_told:
            for name, reason in damaged:
                say(f"parts/{name}: {reason}; its runs are left out, and `run` makes them again")
            self._is_told = True
        for part in sound:
            yield self._parts.read(part, schema)

    def finished_keys(self) -> set[tuple[Any, ...]]:
        """The `RUN_KEY` of every stored run that has an outcome."""
        table = self.read(columns=["status"])
        keys = zip(*(table[name].to_pylist() for name in RUN_KEY), strict=True)
        statuses = table["status"].to_pylist()
        return {key for key, status in zip(keys, statuses, strict=True) if status != FAILED}

    def launches_of_runs(self) -> dict[tuple[Any, ...], int | None]:
        """The number of the launch that made each run, by its `RUN_KEY`; `None` in older parts."""
        found: dict[tuple[Any, ...], int | None] = {}
        schema = pa.schema([ROW_SCHEMA.field(name) for name in RUN_KEY])
        for part in self._parts.survey()[0]:
            columns = self._parts.read(part, schema).to_pydict()
            for key in zip(*(columns[name] for name in RUN_KEY), strict=True):
                found[key] = part.launch
        return found


def create_or_resume(path: Path, document: dict[str, Any]) -> WorkDirectory:
    """The work directory of a study, new or with what is already there.

    Args:
        path: of the directory, held by this launch, see `lock.hold`.
        document: `study.json` of the study that is to run; its `identity` must be that of what is
            already there.

    Raises:
        InputError: it holds another study; the differences are named.
        StorageError: it cannot be written.
    """
    existing = find_existing(path)
    merged = document
    if existing is not None:
        before = _with_fork_steps(existing.document["identity"], document["identity"])
        differences = _differences(before, document["identity"])
        if differences:
            raise InputError(
                f"work directory {str(path)!r} holds another study: {'; '.join(differences)}. "
                f"Choose a new --workdir, or give the same settings"
            )
        kept = {key: existing.document[key] for key in _KEPT if key in existing.document}
        merged = {**document, **kept}
        merged["launches"] = existing.document["launches"] + document["launches"]
        if existing.is_restored and (path / STUDY_NAMES[0]).exists():
            existing.set_aside(path / STUDY_NAMES[0])
    workdir = WorkDirectory(path, merged)
    with storing(workdir.parts):
        path.mkdir(parents=True, exist_ok=True)
        # First of all, so that a directory that is left at any moment is known as a study's.
        workdir.save_document()
        workdir.parts.mkdir(exist_ok=True)
    return workdir


def _with_fork_steps(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """An identity in which fork steps that were not known yet are those of a later one."""
    known = new.get("fork_step") or {}
    unknown = {n: known.get(n) for n, step in (old.get("fork_step") or {}).items() if step is None}
    return {**old, "fork_step": {**old["fork_step"], **unknown}} if unknown else old


def find_existing(path: Path) -> WorkDirectory | None:
    """The work directory of a study, or `None` where there is no study yet.

    Raises:
        InputError: the place cannot be a work directory, or its `study.json` is damaged.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"work directory {str(path)!r} is a file: expected a directory")
        has_study = any((path / name).exists() for name in STUDY_NAMES)
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error
    return open_existing(path) if has_study else None


def open_existing(path: Path) -> WorkDirectory:
    """The work directory of a study that has run.

    Raises:
        InputError: there is none, or its `study.json` cannot be understood, nor its second copy.
    """
    first, second = (path / name for name in STUDY_NAMES)
    if not (first.exists() or second.exists()):
        raise InputError(f"no study in {str(path)!r}: expected a directory that holds a study.json")
    for folder in _FOLDERS:
        check_folder(path / folder)
    if (path / "parts").exists() and not (path / "parts").is_dir():
        raise InputError(f"cannot use {str(path / 'parts')!r}: expected a directory")
    try:
        return WorkDirectory(path, read_document(read_json(first)))
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error)
    try:
        directory = WorkDirectory(path, read_document(read_json(second)), is_restored=True)
    except (OSError, ValueError):
        raise InputError(
            f"{str(first)!r} is damaged, or not one of Plateau's: {reason}; without it nobody can "
            f"tell what the runs are: bring it back from a copy, or choose another --workdir"
        ) from None
    say(f"{str(first)!r} is damaged ({reason}): its second copy is used")
    return directory


def _differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Leaves in which two JSON values differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted({*old, *new}):
            path = f"{where}.{key}" if where else str(key)
            if key not in old:
                lines.append(f"{path} is new")
            elif key not in new:
                lines.append(f"{path} is missing now")
            else:
                lines += _differences(old[key], new[key], path)
        return lines
    return [] if old == new else [f"{where} was {json.dumps(old)}, is now {json.dumps(new)}"]
