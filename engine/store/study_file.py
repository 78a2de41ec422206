"""Reads `study.json` or its backup, whichever is whole, and writes both."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..outcomes.row import SCHEMA_VERSION
from .files import FOLDERS, DamagedError, check_folders, is_temporary, refusing, write_atomically
from .json_files import checksum, parse_json, read_json, to_json
from .validation import check_document

STUDY = "study.json"
BACKUP = "study.json.bak"
LOCK = "lock"
HOLDER = "lock.json"
REPORTING = "lock.report"
MANIFEST = "manifest"
OF_A_LAUNCH = (STUDY, BACKUP)
PAGE = "report.html"
OF_A_REPORT = ("outcomes.parquet", "summary.json", PAGE)


class NotWholeError(InputError):
    """Neither `study.json` nor its backup is whole."""


class StudyFile(NamedTuple):
    """Content of `study.json` without its checksum, and why the backup had to be read (None: it had not)."""

    document: dict[str, Any]
    problem: str | None


def load(path: Path) -> StudyFile:
    """Reads a directory's `study.json`, or its backup where that is damaged or gone.

    Raises:
        FileNotFoundError: there is neither.
        NotWholeError: neither is whole.
        InputError: it is of another release, or may not be read.
    """
    problems: dict[str, str] = {}
    for name in OF_A_LAUNCH:
        with refusing(f"read {str(path / name)!r}"):
            try:
                return StudyFile(_load_one(path / name), problems.get(STUDY))
            except FileNotFoundError:
                problems[name] = "missing"
            except DamagedError as error:
                problems[name] = str(error)
    if set(problems.values()) == {"missing"}:
        raise FileNotFoundError
    raise NotWholeError(
        f"{str(path / STUDY)!r} is damaged, or not one of Plateau's ({problems[STUDY]}), and its "
        f"backup {BACKUP} cannot stand in for it ({problems[BACKUP]}): restore one of them from a "
        f"copy, or choose a new --workdir"
    )


def _load_one(path: Path) -> dict[str, Any]:
    return _understood(read_json(path), path)


def _understood(document: Any, path: Path) -> dict[str, Any]:
    """Returns what was parsed without its checksum, once everything in it is checked."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int:
        raise DamagedError("no schema_version")
    stored = document.pop("checksum", None)
    if stored is not None and stored != checksum(document):
        raise DamagedError("its checksum does not match")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{str(path)!r} has schema version {version}, this version of Plateau reads {SCHEMA_VERSION}: "
            f"use the version that wrote it, or choose a new --workdir"
        )
    if stored is None:
        raise DamagedError("no checksum")
    check_document(document)
    return document


def save(path: Path, document: dict[str, Any]) -> None:
    """Writes `study.json`, then its backup, so that one of the two is whole at any moment.

    Raises:
        InputError: it could not be read again. Nothing is written.
        StorageError: the disk is full or fails.
    """
    try:
        # The first check names the entry that is wrong, before JSON can only say that one is.
        check_document(dict(document))
        content = to_json({**document, "checksum": checksum(document)})
        _understood(parse_json(content), path / STUDY)
    except ValueError as error:
        raise InputError(f"{str(path / STUDY)!r} could not be read again if it were written so: {error}") from None
    for name in OF_A_LAUNCH:
        write_atomically(path / name, content)


def refuse_foreign(path: Path) -> None:
    """Checks that a place is a study, or one where a study may begin; changes nothing.

    Raises:
        InputError: it is a file, holds something else, or holds runs without their `study.json`.
    """
    with refusing(f"use work directory {str(path)!r}"):
        if os.path.lexists(path) and not path.is_dir():
            raise InputError(f"work directory {str(path)!r} is a file: expected a directory")
        names = os.listdir(path) if path.is_dir() else []
        check_folders(path)
        if STUDY in names or BACKUP in names:
            return
        if has_parts(path):
            raise InputError(
                f"{str(path / STUDY)!r} and its backup are gone, but there are finished runs: "
                f"restore one of them from a copy, or choose a new --workdir"
            )
        if not all(_is_left_behind(path, name) for name in names):
            raise InputError(
                f"work directory {str(path)!r} is neither empty nor a study: expected a new "
                f"directory, or one that holds a {STUDY}"
            )


def _is_left_behind(path: Path, name: str) -> bool:
    """Tells whether a launch that is under way, or was killed as it began, leaves such a file."""
    if name == "parts":
        return all(n == MANIFEST or is_temporary(n, (MANIFEST,)) or is_temporary(n) for n in os.listdir(path / name))
    if name in FOLDERS and name != "damaged":
        return not os.listdir(path / name)
    return name in (LOCK, HOLDER, REPORTING, "damaged") or is_temporary(name, (*OF_A_LAUNCH, *OF_A_REPORT, HOLDER))


def has_parts(path: Path) -> bool:
    """Tells whether a work directory holds finished runs, whole or not."""
    return bool(part_names(path))


def part_names(path: Path) -> frozenset[str]:
    """Returns the names of the files of finished runs in a work directory."""
    return frozenset(part.name for part in (path / "parts").glob("*.parquet"))
