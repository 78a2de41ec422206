"""Opening a work directory: new, resumed, or only to be read."""

import json
import os
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.store.schema import SCHEMA_VERSION
from engine.store.versions import UPGRADES
from engine.store.workdir import WorkDirectory

# What a later launch of a study adds to, or leaves as it is.
_KEPT = ("looks", "tuned_milliseconds")


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
    if version not in UPGRADES and version != SCHEMA_VERSION:
        raise InputError(
            f"{str(path / 'study.json')!r} has schema version {version}: this release reads "
            f"{', '.join(map(str, [*UPGRADES, SCHEMA_VERSION]))}"
        )
    while document["schema_version"] != SCHEMA_VERSION:
        UPGRADES[document["schema_version"]](document)
    return WorkDirectory(path, document)


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
