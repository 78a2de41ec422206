"""Opening a work directory: new, resumed, or only to be read."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import InputError, one_line
from engine.store import study_file
from engine.store.files import check_folders, set_aside
from engine.store.validation import IDENTITY_BY_ARM, is_of_logs
from engine.store.workdir import WorkDirectory

logger = logging.getLogger(__name__)

# What a later launch of a study adds to, or leaves as it is.
_KEPT = ("looks", "tuned_milliseconds")
_MOST_DIFFERENCES = 6
_LONGEST_VALUE = 100
# Entries of an identity whose values are fingerprints, which tell a reader nothing, and of what.
FINGERPRINTS = {"data": "data", "model_source": "source text of the model", "task_source": "source text of the task"}


def create_or_resume(
    path: Path, document: dict[str, Any], notify: Callable[[str], None] = logger.warning
) -> WorkDirectory:
    """The work directory of a study, new or with what is already there.

    A damaged `study.json` is set aside and written anew.

    Args:
        path: of the directory.
        document: `study.json` of the study that is to run; its `identity` must be that of what is
            already there.
        notify: is told, in a line, when a damaged file is set aside.

    Raises:
        InputError: it holds another study (the differences are named) or something else, or
            cannot be written.
        StorageError: the disk is full or fails.
    """
    found = _find(path)
    if found is not None:
        workdir = _resumed(path, found.document, document)
    else:
        study_file.refuse_foreign(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot use work directory {str(path)!r}: {error.strerror}") from error
        workdir = WorkDirectory(path, document)
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write work directory {str(path)!r}: permission denied")
    try:
        workdir.parts.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot use {str(workdir.parts)!r}: {error.strerror}") from error
    if found is None or found.problem is not None:
        _set_study_aside(path, found, notify)
    workdir.save_document()
    return workdir


def create_or_replace(
    path: Path, document: dict[str, Any], notify: Callable[[str], None] = logger.warning
) -> WorkDirectory:
    """The work directory of curves that were read, new or in place of what was read before.

    What is there is replaced only where it was read from logs of the same names, as of runs that
    have gone on since.

    Args:
        path: of the directory.
        document: `study.json` of what was read.
        notify: is told, in a line, when a damaged file is set aside.

    Raises:
        InputError: it holds something else, or cannot be written.
        StorageError: the disk is full or fails.
    """
    found = _find(path)
    if found is None or found.document["identity"] == document["identity"]:
        return create_or_resume(path, document, notify)
    _refuse_other_kind(path, found.document, document)
    if found.document["study"]["sources"] != document["study"]["sources"]:
        raise InputError(f"work directory {str(path)!r} holds curves of other logs: choose a new --workdir")
    launches = found.document["launches"] + document["launches"]
    directory = WorkDirectory(path, {**document, "launches": launches})
    # Parts of what was read before are another study's from here on.
    directory.save_document()
    directory.remove_parts()
    return directory


def _refuse_other_kind(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuses to train where logs were read, and the other way round."""
    if is_of_logs(old) == is_of_logs(new):
        return
    there = "curves that were read from logs" if is_of_logs(old) else "a study that was run"
    raise InputError(f"work directory {str(path)!r} holds {there}: choose a new --workdir")


def refuse_other_study(path: Path, document: dict[str, Any]) -> None:
    """Refuses a work directory that holds another study; for a launch, before anything long.

    Args:
        path: of the directory.
        document: `study.json` of the study that is to run.

    Raises:
        InputError: it holds another study, with the differences, or something else.
    """
    found = _find(path)
    if found is not None:
        _refuse_differences(path, found.document, document)


def _refuse_differences(path: Path, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The identity that is gone on with, if it is that of what is there."""
    _refuse_other_kind(path, old, new)
    before = _with_fork_steps(old["identity"], new["identity"])
    arms, new_arms = before["arms"], new["identity"]["arms"]
    of_both = {None, *(arms.keys() & new_arms.keys())}
    found = _differences(before, new["identity"])
    differences = [
        *_of_arms(arms, new_arms),
        *_of_several_arms([difference for difference in found if difference.arm in of_both]),
    ]
    if differences:
        more = len(differences) - _MOST_DIFFERENCES
        listed = differences[:_MOST_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])
        raise InputError(
            f"work directory {str(path)!r} holds another study: {'; '.join(listed)}. "
            f"Choose a new --workdir, or give the same settings"
        )
    return before


def _resumed(path: Path, old: dict[str, Any], new: dict[str, Any]) -> WorkDirectory:
    before = _refuse_differences(path, old, new)
    kept = {key: old[key] for key in _KEPT if key in old}
    launches = old["launches"] + new["launches"]
    # Equal, but not written alike where 1 was 1.0; parts name the study by how it was written.
    merged = {**new, **kept, "identity": before, "launches": launches}
    return WorkDirectory(path, merged)


def _set_study_aside(path: Path, found: study_file.StudyFile | None, notify: Callable[[str], None]) -> None:
    """Moves away a damaged `study.json`; the backup too where neither is whole."""
    if found is not None:
        outcome = f"({found.problem}): it is written anew from its backup"
        names: tuple[str, ...] = (study_file.STUDY,)
    else:
        outcome, names = ("and there is no finished run: the study begins anew", study_file.OF_A_LAUNCH)
    there = [name for name in names if os.path.lexists(path / name)]
    for name in there:
        set_aside(path / name, path / "damaged")
    if there:
        outcome += f", and the damaged one is in {str(path / 'damaged')!r}"
    if there or found is not None:
        notify(one_line(f"{str(path / study_file.STUDY)!r} is not whole {outcome}"))


def _with_fork_steps(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """An identity in which fork steps that were not known yet are those of a later one."""
    known = new.get("fork_step") or {}
    unknown = {n: known.get(n) for n, step in (old.get("fork_step") or {}).items() if step is None}
    return {**old, "fork_step": {**old["fork_step"], **unknown}} if unknown else old


def find_existing(path: Path) -> WorkDirectory | None:
    """The work directory of a study, or `None` where none has begun yet; for a launch.

    A `study.json` that is damaged, without a backup and without finished runs, counts as none.

    Raises:
        InputError: the place cannot be a work directory, or its `study.json` cannot be understood.
    """
    found = _find(path)
    return None if found is None else WorkDirectory(path, found.document)


def _find(path: Path) -> study_file.StudyFile | None:
    study_file.refuse_foreign(path)
    try:
        return study_file.load(path)
    except FileNotFoundError:
        return None
    except study_file.NotWholeError:
        if study_file.has_parts(path):
            raise
        return None


def open_existing(path: Path, notify: Callable[[str], None] = logger.warning) -> WorkDirectory:
    """The work directory of a study that has run.

    Args:
        path: of the directory.
        notify: is told, in a line, when `study.json` is read from its backup.

    Raises:
        InputError: there is none, or its `study.json` cannot be understood.
    """
    check_folders(path)
    try:
        document, problem = study_file.load(path)
    except FileNotFoundError:
        raise InputError(f"no study in {str(path)!r}: expected a directory that holds a study.json") from None
    if problem is not None:
        line = f"{str(path / study_file.STUDY)!r} is not whole ({problem}): its backup is read"
        notify(one_line(line))
    return WorkDirectory(path, document)


class _Difference(NamedTuple):
    """Between two identities: where, of which arm, and what, in words."""

    where: str
    arm: str | None
    words: str


def _differences(old: Any, new: Any, where: tuple[str, ...] = ()) -> list[_Difference]:
    """Leaves in which two identities differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted({*old, *new}):
            path = (*where, str(key))
            if key not in old:
                lines.append(_difference(path, "is new"))
            elif key not in new:
                lines.append(_difference(path, "is missing now"))
            else:
                lines += _differences(old[key], new[key], path)
        return lines
    if old == new:
        return []
    if where[0] in FINGERPRINTS:
        return [_difference(where, "is another")]
    return [_difference(where, f"was {_shown(old)}, is now {_shown(new)}")]


def _difference(where: tuple[str, ...], words: str) -> _Difference:
    entry, *rest = where
    if entry == "arms" and rest:
        return _Difference(".".join(rest[1:]), rest[0], words)
    if entry in IDENTITY_BY_ARM and rest:
        called = f"the {FINGERPRINTS[entry]}" if entry in FINGERPRINTS else entry
        return _Difference(called, rest[0], words)
    return _Difference(".".join(where), None, words)


def _of_arms(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Arms that are in one of two studies only, in words."""
    by_words = {
        "is new": [repr(name) for name in new if name not in old],
        "is missing now": [repr(name) for name in old if name not in new],
    }
    return [f"arm {_few(names)} {words}" for words, names in by_words.items() if names]


def _of_several_arms(differences: list[_Difference]) -> list[str]:
    """In words; what is the same of several arms is said once."""
    arms: dict[tuple[str, str], list[str]] = {}
    for where, arm, words in differences:
        arms.setdefault((where, words), []).extend([] if arm is None else [repr(arm)])
    return [f"{where}{f' of {_few(names)}' if names else ''} {words}" for (where, words), names in arms.items()]


def _few(names: list[str]) -> str:
    if len(names) > 2:
        return f"{names[0]} and {len(names) - 1} other arms"
    return " and ".join(names)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
