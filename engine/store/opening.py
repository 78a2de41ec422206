"""Opens work directories: new, resumed if they hold the same study, or only to be read."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, agreeing, one_line
from . import study_file
from .files import check_folders, make_folder, refusing, set_aside
from .validation import IDENTITY_BY_ARM, IDENTITY_OF_SOME_ARMS, is_of_logs
from .workdir import WorkDirectory

logger = logging.getLogger(__name__)

# What a later launch of a study adds to, or leaves as it is.
_KEPT = ("looks", "tuned_milliseconds")
_MOST_DIFFERENCES = 6
_LONGEST_VALUE = 100
# Entries whose values are fingerprints, which tell a reader nothing.
_FINGERPRINTS = {
    "data": "data",
    "model_source": "source text of the model",
    "task_source": "source text of the task",
    "optimizer_source": "source text of the optimiser",
    "start": "file of weights to start from",
}
_WORDS = {"platform": "kind of device", **_FINGERPRINTS}
# One difference: what differs, in which arm (None: in the whole study), and how.
_Change = tuple[str, str | None, str]
_Notify = Callable[[str], None]


def create_or_resume(path: Path, document: dict[str, Any], notify: _Notify = logger.warning) -> WorkDirectory:
    """Opens the work directory of the study of a document, new or with what is there.

    Args:
        notify: called with one line when a damaged `study.json` is set aside.

    Raises:
        InputError: the directory holds something else (of another study, the differences), or cannot be written.
        StorageError: the disk is full or fails.
    """
    found = _find(path)
    workdir = WorkDirectory(path, document if found is None else _resumed(path, found.document, document))
    with refusing(f"use work directory {str(path)!r}"):
        path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write work directory {str(path)!r}: permission denied")
    with refusing(f"use {str(workdir.parts)!r}"):
        make_folder(workdir.parts)
    if found is None or found.problem is not None:
        _set_study_aside(path, found, notify)
    workdir.save_document()
    return workdir


def create_or_replace(path: Path, document: dict[str, Any], notify: _Notify) -> WorkDirectory:
    """Opens that of curves from logs, new or in place of what the same logs held; see `create_or_resume`."""
    found = _find(path)
    if found is None or found.document["identity"] == document["identity"]:
        return create_or_resume(path, document, notify)
    _refuse_other_kind(path, found.document, document)
    if found.document["study"]["sources"] != document["study"]["sources"]:
        raise InputError(f"work directory {str(path)!r} holds curves of other logs: choose a new --workdir")
    directory = WorkDirectory(path, {**document, "launches": found.document["launches"] + document["launches"]})
    # Parts of what was read before are another study's from here on.
    directory.save_document()
    directory.remove_parts()
    return directory


def _refuse_other_kind(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuses to train where logs were read, and the other way round."""
    if is_of_logs(old) != is_of_logs(new):
        there = "curves that were read from logs" if is_of_logs(old) else "a study that was run"
        raise InputError(f"work directory {str(path)!r} holds {there}: choose a new --workdir")


def refuse_other_study(path: Path, document: dict[str, Any]) -> None:
    """Raises `InputError` of a work directory that holds something else, before a launch does anything long."""
    found = _find(path)
    if found is not None:
        _refuse_differences(path, found.document, document)


def _refuse_differences(path: Path, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Returns the stored identity, completed with fork steps that are new, unless it is another study's."""
    _refuse_other_kind(path, old, new)
    before = _with_fork_steps(old["identity"], new["identity"])
    found = differences(before, new["identity"])
    if found:
        more = len(found) - _MOST_DIFFERENCES
        listed = found[:_MOST_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])
        raise InputError(
            f"work directory {str(path)!r} holds another study: {'; '.join(listed)}. "
            f"Choose a new --workdir, or give the same settings"
        )
    return before


def _resumed(path: Path, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Returns the document of a study that goes on, unless it is another one."""
    # Equal, but not written alike where 1 was 1.0; parts name the study by how it was written.
    before = _refuse_differences(path, old, new)
    kept = {key: old[key] for key in _KEPT if key in old}
    return {**new, **kept, "identity": before, "launches": old["launches"] + new["launches"]}


def _set_study_aside(path: Path, found: study_file.StudyFile | None, notify: _Notify) -> None:
    """Moves away a damaged `study.json`; the backup too where neither is whole."""
    outcome = "and there is no finished run: the study begins anew"
    if found is not None:
        outcome = f"({found.problem}): it is written anew from its backup"
    names = study_file.OF_A_LAUNCH if found is None else (study_file.STUDY,)
    there = [path / name for name in names if os.path.lexists(path / name)]
    for file in there:
        set_aside(file, path / "damaged")
    if there:
        outcome += f", and the damaged one is in {str(path / 'damaged')!r}"
    if there or found is not None:
        notify(one_line(f"{str(path / study_file.STUDY)!r} is not whole {outcome}"))


def _with_fork_steps(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Returns an identity in which fork steps that were not known yet are those of a later one."""
    known = new.get("fork_step") or {}
    unknown = {n: known.get(n) for n, step in (old.get("fork_step") or {}).items() if step is None}
    return {**old, "fork_step": {**old["fork_step"], **unknown}} if unknown else old


def find_existing(path: Path) -> WorkDirectory | None:
    """Opens the work directory of a study for a launch; None where no study has begun; raises `InputError`."""
    found = _find(path)
    return None if found is None else WorkDirectory(path, found.document)


def _find(path: Path) -> study_file.StudyFile | None:
    """Reads `study.json`; a damaged one without a backup and without finished runs counts as none."""
    study_file.refuse_foreign(path)
    try:
        return study_file.load(path)
    except FileNotFoundError:
        return None
    except study_file.NotWholeError:
        if study_file.has_parts(path):
            raise
        return None


def open_existing(path: Path, notify: _Notify = logger.warning) -> WorkDirectory:
    """Opens the work directory of a study that has run.

    Args:
        notify: called with one line when `study.json` is read from its backup.

    Raises:
        InputError: there is none, or its `study.json` cannot be understood.
    """
    check_folders(path)
    try:
        document, problem = study_file.load(path)
    except FileNotFoundError:
        raise InputError(f"no study in {str(path)!r}: expected a directory that holds a study.json") from None
    if problem is not None:
        notify(one_line(f"{str(path / study_file.STUDY)!r} is not whole ({problem}): its backup is read"))
    return WorkDirectory(path, document)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Says in what two identities differ, a line for each entry; what is the same of several arms is said once."""
    old_arms, new_arms = before.get("arms", {}), now.get("arms", {})
    changed_sets = {
        "new": [repr(name) for name in new_arms if name not in old_arms],
        "missing now": [repr(name) for name in old_arms if name not in new_arms],
    }
    lines = [
        f"{agreeing(len(names), 'arm', 'arms')} {_shorten(names)} {agreeing(len(names), 'is', 'are')} {words}"
        for words, names in changed_sets.items()
        if names
    ]
    arms: dict[tuple[str, str], list[str]] = {}
    for entry, arm, words in _changes(before, now, ()):
        if arm is None:
            arms[entry, words] = []
        elif arm in old_arms and arm in new_arms:
            arms.setdefault((entry, words), []).append(repr(arm))
    return lines + [
        f"{entry}{f' of {_shorten(names)}' if names else ''} {words}" for (entry, words), names in arms.items()
    ]


def _changes(old: Any, new: Any, where: tuple[str, ...]) -> Iterator[_Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = (*where, str(key))
            if key not in old:
                yield _change(place, "is new")
            elif key not in new:
                yield _change(place, "is missing now")
            else:
                yield from _changes(old[key], new[key], place)
    elif old != new:
        words = "is another" if where[0] in _FINGERPRINTS else f"was {_shown(old)}, is now {_shown(new)}"
        yield _change(where, words)


def _change(where: tuple[str, ...], words: str) -> _Change:
    entry, *rest = where
    name = f"the {_WORDS[entry]}" if entry in _WORDS else entry
    if entry == "arms" and rest:
        return ".".join(rest[1:]), rest[0], words
    if entry in (*IDENTITY_BY_ARM, *IDENTITY_OF_SOME_ARMS) and rest:
        return name, rest[0], words
    return ".".join([name, *rest]), None, words


def _shorten(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} other arms" if len(names) > 2 else " and ".join(names)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
