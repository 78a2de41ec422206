"""`study.json` and its backup: read if one of the two is whole, written one after the other."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import InputError
from engine.outcomes.row import SCHEMA_VERSION
from engine.store.files import FOLDERS, DamagedError, check_folders, is_temporary, write_atomically
from engine.store.json_files import checksum, read_json, to_json
from engine.store.validation import check_document

STUDY = "study.json"
BACKUP = "study.json.bak"
LOCK = "lock"
HOLDER = "lock.json"
MANIFEST = "manifest"
OF_A_LAUNCH = (STUDY, BACKUP)
OF_A_REPORT = ("outcomes.parquet", "summary.json", "report.html")


class NotWholeError(InputError):
    """There is a `study.json` or a backup, but neither is whole."""


class StudyFile(NamedTuple):
    """What `study.json` says.

    Attributes:
        document: its content, without the checksum.
        problem: why the backup had to be read instead, or `None`.
    """

    document: dict[str, Any]
    problem: str | None


def load(path: Path) -> StudyFile:
    """Reads a directory's `study.json`, or its backup where that is damaged or gone.

    Raises:
        FileNotFoundError: there is neither.
        NotWholeError: neither is whole.
        InputError: it is of another release, or may not be read.
    """
    problems = {}
    for name in (STUDY, BACKUP):
        try:
            document = _load_one(path / name)
        except FileNotFoundError:
            problems[name] = "missing"
        except DamagedError as error:
            problems[name] = str(error)
        except OSError as error:
            raise InputError(f"cannot read {str(path / name)!r}: {error.strerror}") from error
        else:
            return StudyFile(document, problems.get(STUDY))
    if set(problems.values()) == {"missing"}:
        raise FileNotFoundError
    raise NotWholeError(
        f"{str(path / STUDY)!r} is damaged, or not one of Plateau's ({problems[STUDY]}), and its "
        f"backup {BACKUP} cannot stand in for it ({problems[BACKUP]}): restore one of them from a "
        f"copy, or choose a new --workdir"
    )


def _load_one(path: Path) -> dict[str, Any]:
    document = read_json(path)
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
        StorageError: one cannot be written.
    """
    content = to_json({**document, "checksum": checksum(document)})
    for name in (STUDY, BACKUP):
        write_atomically(path / name, content)


def refuse_foreign(path: Path) -> None:
    """Checks that a place is a study, or one where a study may begin; changes nothing.

    Raises:
        InputError: it is a file, holds something else, or holds runs without their `study.json`.
    """
    try:
        if path.exists() and not path.is_dir():
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
    except OSError as error:
        raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error


def _is_left_behind(path: Path, name: str) -> bool:
    """Whether a launch that is under way, or was killed as it began, has such a file."""
    if name == "parts":
        inside = os.listdir(path / name)
        return all(n == MANIFEST or is_temporary(n, (MANIFEST,)) or is_temporary(n) for n in inside)
    if name in FOLDERS and name != "damaged":
        return not os.listdir(path / name)
    return name in (LOCK, HOLDER, "damaged") or is_temporary(name, (*OF_A_LAUNCH, *OF_A_REPORT, HOLDER))


def has_parts(path: Path) -> bool:
    """Whether a work directory holds finished runs, whole or not."""
    return any((path / "parts").glob("*.parquet"))
