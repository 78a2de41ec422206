"""What `study.json` must hold, and how an older one becomes one of now."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from engine import config
from engine.plateau import DetectorSettings
from engine.store.schema import SCHEMA_VERSION

# Entries of the identity that are filled in, or fall back, while a study runs.
_LATE = ("form", "fork_step")

_NUMBER = (int, float)
_WHOLE_OR_NONE = (int, type(None))
_IDENTITY: dict[str, Any] = {
    "eval_every": int,
    "root_seed": int,
    "fix_init": _WHOLE_OR_NONE,
    "fix_order": _WHOLE_OR_NONE,
    "design": str,
    "order_seeds": _WHOLE_OR_NONE,
    "stop": str,
    "platform": str,
}
_IDENTITY_BY_ARM: dict[str, Any] = {
    "arms": dict,
    "horizons": int,
    "fork_step": _WHOLE_OR_NONE,
    "width": int,
    "block": int,
    "form": str,
    "data": str,
    "model_source": str,
    "task_source": str,
}
_STUDY: dict[str, Any] = {
    "name": str,
    "question": str,
    "baseline": str,
    "forks": _WHOLE_OR_NONE,
}
_STUDY_BY_ARM: dict[str, Any] = {
    "seeds": int,
    "steps_per_epoch": _WHOLE_OR_NONE,
    "chance_loss": _NUMBER,
    "event": str,
}
_LAUNCH: dict[str, Any] = {"command": list, "versions": dict, "hardware": dict, "started": str}
_LOOK: dict[str, Any] = {"seeds": int, "goal": str, "undecided": list}


def checksum(document: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a document but its checksum."""
    return _digest_of({name: value for name, value in document.items() if name != "checksum"})


def fingerprint(document: Mapping[str, Any]) -> str:
    """Of what makes a study this one and no other, for as long as it lives."""
    identity = document["identity"]
    return _digest_of({name: value for name, value in identity.items() if name not in _LATE})


def _digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_document(document: Any) -> dict[str, Any]:
    """A document as one of the present version.

    Args:
        document: content of `study.json`.

    Raises:
        ValueError: it is damaged, of another version, or not one of ours; the message is the
            reason.
    """
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    version = document.get("schema_version")
    if version not in (*_UPGRADES, SCHEMA_VERSION) or isinstance(version, bool):
        readable = ", ".join(map(str, [*_UPGRADES, SCHEMA_VERSION]))
        raise ValueError(f"it has schema version {version!r}: this release reads {readable}")
    if version >= _FIRST_WITH_CHECKSUM and document.get("checksum") != checksum(document):
        raise ValueError("its checksum does not match")
    while document["schema_version"] != SCHEMA_VERSION:
        try:
            _UPGRADES[document["schema_version"]](document)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ValueError("something is missing in it") from None
    _check(document)
    return document


def _check(document: Mapping[str, Any]) -> None:
    """Holds every entry that anything relies on against its type."""
    for name, kind in (
        ("identity", dict),
        ("study", dict),
        ("arm_order", list),
        ("launches", list),
    ):
        _check_type(document, name, kind, "")
    identity, study, names = document["identity"], document["study"], document["arm_order"]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("arm_order is not a list of names")
    for table, kinds, by_arm, where in (
        (identity, _IDENTITY, _IDENTITY_BY_ARM, "identity."),
        (study, _STUDY, _STUDY_BY_ARM, "study."),
    ):
        for name, kind in kinds.items():
            _check_type(table, name, kind, where)
        for name, kind in by_arm.items():
            _check_type(table, name, dict, where)
            if set(table[name]) != set(names):
                raise ValueError(f"{where}{name} does not name the arms")
            for arm in names:
                _check_type(table[name], arm, kind, f"{where}{name}.")
    for arm in names:
        if set(identity["arms"][arm]) != set(config.FIELDS):
            raise ValueError(f"identity.arms.{arm} has other fields than an arm")
    detector = identity.get("detector")
    if not isinstance(detector, dict) or set(detector) != set(DetectorSettings._fields):
        raise ValueError("identity.detector has other fields than a detector")
    for name in detector:
        _check_type(detector, name, _NUMBER, "identity.detector.")
    if study["baseline"] not in names or len(set(names)) < len(names):
        raise ValueError("an arm is named twice, or the baseline is none")
    if not document["launches"]:
        raise ValueError("it has no launches")
    looks = document.get("looks", [])
    for entries, kinds, where in (
        (document["launches"], _LAUNCH, "launch"),
        (looks, _LOOK, "look"),
    ):
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ValueError(f"a {where} is no object")
        for entry in entries:
            for name, kind in kinds.items():
                _check_type(entry, name, kind, f"{where}.")


def _check_type(table: Mapping[str, Any], name: str, kind: Any, where: str) -> None:
    value = table.get(name)
    is_right = isinstance(value, kind) and not isinstance(value, bool)
    if isinstance(value, int) and not 0 <= value < 2**63:
        is_right = False
    if name not in table or not is_right:
        raise ValueError(f"{where}{name} is missing, or not what it should be")


def _to_version_3(document: dict[str, Any]) -> None:
    """Version 2 had no designs, and no events but breaks."""
    study, names = document["study"], document["arm_order"]
    document["identity"].update(design="seeds", order_seeds=None, fork_step=dict.fromkeys(names))
    for arm in document["identity"]["arms"].values():
        arm["gradient_noise"] = None
    study.update(event=dict.fromkeys(names, "break"), forks=None)
    document["schema_version"] = 3


def _to_version_4(document: dict[str, Any]) -> None:
    """Version 3 had no checksum, and its parts did not say which study they belong to."""
    document["schema_version"] = 4


_UPGRADES: dict[int, Callable[[dict[str, Any]], None]] = {2: _to_version_3, 3: _to_version_4}
_FIRST_WITH_CHECKSUM = 4
