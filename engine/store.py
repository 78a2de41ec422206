"""Rows on disk: a study's identity and its finished runs, written atomically.

A part is named by the hash of its bytes, so a damaged one is recognised by its name. Nothing that
is read is ever executed: parts are Parquet, everything else is JSON.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputError

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 3

_STAIR_FIELDS = ("onset_step", "half_step", "end_step", "level_before", "level_after")
_OUTCOME_FIELDS = [
    ("arm", pa.string()),
    ("seed", pa.int64()),
    ("init_seed", pa.int64()),
    ("order_seed", pa.int64()),
    ("noise_seed", pa.int64()),
    ("fork_step", pa.int64()),
    ("fork_order_seed", pa.int64()),
    ("status", pa.string()),
    ("event", pa.int64()),
    ("stop_reason", pa.string()),
    ("is_diverged_later", pa.bool_()),
    ("onset_step", pa.float64()),
    ("onset_lower", pa.float64()),
    ("onset_upper", pa.float64()),
    ("half_step", pa.float64()),
    ("hitting_step", pa.int64()),
    ("width_steps", pa.float64()),
    ("suddenness", pa.float64()),
    ("num_breaks", pa.int64()),
    ("stairs", pa.list_(pa.struct([(name, pa.float64()) for name in _STAIR_FIELDS]))),
    ("is_coarse", pa.bool_()),
    ("chance_loss", pa.float64()),
    ("end_loss", pa.float64()),
    ("onset_accuracy", pa.float64()),
    ("end_accuracy", pa.float64()),
    ("end_held_out_accuracy", pa.float64()),
    ("best_minus_end", pa.float64()),
    ("steps_run", pa.int64()),
]
_CURVE_FIELDS = [
    ("steps", pa.list_(pa.int64())),
    ("loss", pa.list_(pa.float32())),
    ("accuracy", pa.list_(pa.float32())),
    ("inspected_steps", pa.list_(pa.int64())),
    ("held_out_loss", pa.list_(pa.float32())),
    ("held_out_accuracy", pa.list_(pa.float32())),
    ("average_loss", pa.list_(pa.float32())),
    ("batch_loss", pa.list_(pa.float32())),
]
OUTCOME_SCHEMA = pa.schema(_OUTCOME_FIELDS)
ROW_SCHEMA = pa.schema(_OUTCOME_FIELDS + _CURVE_FIELDS)

# What names a run. Two rows that agree in these are the same run.
RUN_KEY = ("arm", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed")

# What a later launch of a study adds to, or leaves as it is.
_KEPT = ("looks", "tuned_milliseconds")

# Columns that may hold the time of the event a run waited for.
_EVENT_STEPS = ("onset_step", "hitting_step")
WAITING_COLUMNS = (*_EVENT_STEPS, "steps_run", "event")

Row = Mapping[str, Any]


def waiting_times(rows: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """The time of each run in steps: of its event, or its end where there was none, `[num_rows]`.

    Args:
        rows: columns of the store, those of `WAITING_COLUMNS` among them.
    """
    ends = zip(*(rows[name] for name in (*_EVENT_STEPS, "steps_run")), strict=True)
    times = [next(value for value in values if value is not None) for values in ends]
    return np.asarray(times, np.float64)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all, also when the power fails.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def to_json(value: Any) -> bytes:
    """JSON as it is stored: readable, sorted, without NaN or infinity."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


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
        columns = {name: [row.get(name) for row in rows] for name in ROW_SCHEMA.names}
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns, schema=ROW_SCHEMA), buffer, compression="zstd")
        content = buffer.getvalue()
        write_atomically(self.parts / f"{_digest(content)}.parquet", content)

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
            yield _read_part(path, schema)

    def finished_keys(self) -> set[tuple[Any, ...]]:
        """The `RUN_KEY` of every stored run."""
        table = self.read(columns=[])
        return set(zip(*(table[name].to_pylist() for name in RUN_KEY), strict=True))


def create_or_resume(path: Path, document: dict[str, Any]) -> WorkDirectory:
    """The work directory of a study, new or with what is already there.

    Args:
        path: of the directory.
        document: `study.json` of the study that is to run; its `identity` must be that of what is
            already there.

    Raises:
        InputError: it holds another study (the differences are named) or something else, or
            cannot be written.
    """
    existing = find_existing(path)
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
        workdir = WorkDirectory(path, merged)
    else:
        try:
            if path.exists() and any(path.iterdir()):
                raise InputError(
                    f"work directory {str(path)!r} is neither empty nor a study: "
                    f"expected a new directory, or one that holds a study.json"
                )
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot use work directory {str(path)!r}: {error.strerror}"
            ) from error
        workdir = WorkDirectory(path, document)
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write work directory {str(path)!r}: permission denied")
    try:
        workdir.parts.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot use {str(workdir.parts)!r}: {error.strerror}") from error
    workdir.save_document()
    return workdir


def _with_fork_steps(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """An identity in which fork steps that were not known yet are those of a later one."""
    known = new.get("fork_step") or {}
    unknown = {n: known.get(n) for n, step in (old.get("fork_step") or {}).items() if step is None}
    return {**old, "fork_step": {**old["fork_step"], **unknown}} if unknown else old


def find_existing(path: Path) -> WorkDirectory | None:
    """The work directory of a study, or `None` where there is no `study.json` yet.

    Raises:
        InputError: the place cannot be a work directory, or its `study.json` is damaged.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"work directory {str(path)!r} is a file: expected a directory")
        has_study = (path / "study.json").exists()
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error
    return open_existing(path) if has_study else None


def open_existing(path: Path) -> WorkDirectory:
    """The work directory of a study that has run.

    Raises:
        InputError: there is none, or its `study.json` cannot be understood.
    """
    try:
        content = (path / "study.json").read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"no study in {str(path)!r}: expected a directory that holds a study.json"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {str(path / 'study.json')!r}: {error.strerror}") from error
    try:
        document = json.loads(content)
        version = document["schema_version"]
        is_whole = isinstance(document["identity"], dict) and isinstance(document["launches"], list)
        is_whole = is_whole and bool(document["launches"])
        document["arm_order"], document["study"]
    except (ValueError, KeyError, TypeError):
        is_whole, version = False, None
    if not is_whole:
        raise InputError(f"{str(path / 'study.json')!r} is damaged, or not one of Plateau's")
    if version not in _UPGRADES and version != SCHEMA_VERSION:
        raise InputError(
            f"{str(path / 'study.json')!r} has schema version {version}: this release reads "
            f"{', '.join(map(str, [*_UPGRADES, SCHEMA_VERSION]))}"
        )
    while document["schema_version"] != SCHEMA_VERSION:
        _UPGRADES[document["schema_version"]](document)
    return WorkDirectory(path, document)


def _to_version_3(document: dict[str, Any]) -> None:
    """Version 2 had no designs, and no events but breaks."""
    study, names = document["study"], document["arm_order"]
    document["identity"].update(design="seeds", order_seeds=None, fork_step=dict.fromkeys(names))
    for arm in document["identity"]["arms"].values():
        arm["gradient_noise"] = None
    study.update(event=dict.fromkeys(names, "break"), forks=None)
    document["schema_version"] = 3


_UPGRADES: dict[int, Callable[[dict[str, Any]], None]] = {2: _to_version_3}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of a schema; those that an older version did not have are null."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if _digest(content) != path.stem:
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


def recall(path: Path | None, keys: set[str]) -> dict[str, Any] | None:
    """What was kept under a path; `None` where nothing with these keys can be read."""
    if path is None or not path.exists():
        return None
    try:
        kept = json.loads(path.read_text())
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    except (OSError, ValueError):
        pass
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path | None, value: dict[str, Any]) -> None:
    """Keeps a value, unless the place cannot be written to."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(value))
    except (OSError, InputError) as error:
        logger.warning("%s cannot be kept: %s", path, error)
