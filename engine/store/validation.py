"""Checks the kinds of the entries of `study.json`, so that nothing that reads it later fails.

Bounds of what a person can set are those of `Study`, `Arm` and the detector. Entries that are not
named here are compared or shown, never used.
"""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, NamedTuple

from ..errors import InputError
from ..outcomes import DetectorSettings, check_settings
from ..outcomes.chance import ChanceOf
from ..outcomes.event import Event
from ..outcomes.row import MAX_SEED, MAX_STEPS
from ..studies.designs import DESIGNS, MAX_FORKS, MAX_SEEDS
from .files import DamagedError

# What a study is: runs that were trained here, or curves that were read from logs of others.
KINDS = ("run", "read")

_MAX_LANES = 2**16
_MAX_NAME = 2**16


class _Kind(NamedTuple):
    """What a value must be, in words and as a test."""

    words: str
    is_right: Callable[[Any], bool]
    is_needed: bool = True


def _whole(least: int, most: int) -> _Kind:
    # `True` is an int for Python, and none for us.
    return _Kind(f"a whole number from {least} to {most}", lambda v: type(v) is int and least <= v <= most)


def _number(least: float, most: float) -> _Kind:
    return _Kind(f"a number from {least:g} to {most:g}", lambda v: type(v) in (int, float) and least <= v <= most)


def _optional(kind: _Kind) -> _Kind:
    return _Kind(f"{kind.words}, or null", lambda v: v is None or kind.is_right(v))


def _may_lack(kind: _Kind) -> _Kind:
    return kind._replace(is_needed=False)


def _one_of(choices: tuple[str, ...]) -> _Kind:
    return _Kind(f"one of {', '.join(choices)}", lambda v: isinstance(v, str) and v in choices)


def _list_of(kind: _Kind) -> _Kind:
    return _Kind(f"a list, each of it {kind.words}", lambda v: isinstance(v, list) and all(map(kind.is_right, v)))


def _table_of(kind: _Kind) -> _Kind:
    return _Kind(
        f"names, each with {kind.words}", lambda v: isinstance(v, dict) and all(map(kind.is_right, v.values()))
    )


_TEXT = _Kind("text", lambda v: isinstance(v, str))
_STEPS = _whole(1, MAX_STEPS)
_COUNT = _whole(0, 2**63 - 1)
_SECONDS = _number(0, 1e12)
_SCALAR = _Kind("a number, text, true, false or null", lambda v: not isinstance(v, (dict, list)))
# The unit of the targets must not decide whether a study can be read.
_CHANCE_LOSS = _number(1e-300, 1e300)
_NUMBERS = _list_of(_number(-1e300, 1e300))
_TEXTS = _list_of(_TEXT)
_FIELD = _Kind(
    "a number, text, true, false, null or a list of numbers or texts",
    lambda v: any(kind.is_right(v) for kind in (_SCALAR, _NUMBERS, _TEXTS)),
)

IDENTITY_OF_SOME_ARMS = ("optimizer_source", "start")
_IDENTITY = {
    "eval_every": _STEPS,
    "root_seed": _whole(0, MAX_SEED),
    **dict.fromkeys(("fix_init", "fix_order"), _optional(_whole(0, MAX_SEED))),
    "design": _one_of(tuple(DESIGNS)),
    "order_seeds": _optional(_whole(2, 2**30)),
    **dict.fromkeys(("stop", "platform"), _TEXT),
    "diagnostics": _may_lack(_TEXTS),
    "diagnostics_every": _may_lack(_STEPS),
    "diagnostic_options": _may_lack(_table_of(_FIELD)),
    **dict.fromkeys(IDENTITY_OF_SOME_ARMS, _may_lack(_table_of(_TEXT))),
}
IDENTITY_BY_ARM = {
    "horizons": _STEPS,
    "fork_step": _optional(_STEPS),
    **dict.fromkeys(("width", "block"), _whole(1, _MAX_LANES)),
    **dict.fromkeys(("form", "data", "model_source", "task_source"), _TEXT),
}
_IDENTITY_OF_LOGS = {"kind": _one_of(KINDS[1:]), "chance_loss": _CHANCE_LOSS, "average": _whole(1, MAX_STEPS)}
_IDENTITY_OF_LOGS_BY_ARM = {"horizons": _STEPS, "curves": _TEXT}
_STUDY_OF_LOGS = {**dict.fromkeys(("sources", "guesses", "notes"), _TEXTS), "signs": _may_lack(_TEXTS)}
_STUDY = {
    **dict.fromkeys(("name", "question"), _TEXT),
    "forks": _optional(_whole(2, MAX_FORKS)),
    "theory": _may_lack(_optional(_TEXT)),
}
_STUDY_BY_ARM = {
    "seeds": _whole(0, MAX_SEEDS),
    "steps_per_epoch": _optional(_STEPS),
    "chance_loss": _CHANCE_LOSS,
    "event": _one_of(tuple(Event)),
}
_STUDY_OF_SOME_ARMS = {
    "places": _may_lack(_table_of(_table_of(_TEXT))),
    "chance_of": _may_lack(_table_of(_one_of(tuple(ChanceOf)))),
    **dict.fromkeys(("data_notes", "network_notes"), _may_lack(_table_of(_TEXTS))),
}
_HARDWARE = _Kind("a machine", lambda v: _table_of(_SCALAR).is_right(v) and {"machine", "cores"} <= v.keys())
_DEVICES = _Kind("devices", lambda v: _table_of(_SCALAR).is_right(v) and "kind" in v)
# What a launch notes at its end is there together, or not at all.
_AT_THE_END = {"seconds", "seed_steps", "num_workers"}
# What a launch says of itself informs, so an entry that is wrong is left out, or replaced by an empty one.
_LAUNCH: dict[str, tuple[_Kind, Any]] = {
    "command": (_TEXTS, []),
    "versions": (_table_of(_TEXT), {}),
    "started": (_TEXT, ""),
    "hardware": (_HARDWARE, {"machine": "unknown machine", "cores": None}),
    "code": (_table_of(_SCALAR), {}),
}
_LAUNCH_MAY_LACK = {
    "ended": _TEXT,
    "seconds": _SECONDS,
    "first_chunk_after": _optional(_SECONDS),
    **dict.fromkeys(("seed_steps", "num_runs", "num_workers"), _COUNT),
    "devices": _DEVICES,
    "settings": _table_of(_SCALAR),
    "xla_flags": _table_of(_TEXT),
}
_LOOK = {"seeds": _COUNT, "goal": _one_of(("fraction", "comparison")), "undecided": _list_of(_TEXT)}


def check_document(document: dict[str, Any]) -> None:
    """Checks everything that is read of a study's document, and clears its launches of what is wrong in them."""
    arms = _arm_names(document)
    identity, study = _table(document, "identity"), _table(document, "study")
    of_logs = is_of_logs(document)
    _check(identity, _IDENTITY_OF_LOGS if of_logs else _IDENTITY, "identity")
    _check_by_arm(identity, _IDENTITY_OF_LOGS_BY_ARM if of_logs else IDENTITY_BY_ARM, arms, "identity")
    if not of_logs:
        _check_numbers_by_arm(identity)
    _check_arms(_table(identity, "arms"), arms)
    _check_detector(_table(identity, "detector"))
    is_arm = _Kind("the name of an arm", lambda v: isinstance(v, str) and v in arms)
    _check(study, {**_STUDY, **_STUDY_OF_SOME_ARMS, "baseline": is_arm}, "study")
    _check_by_arm(study, _STUDY_BY_ARM, arms, "study")
    for name in _STUDY_OF_SOME_ARMS:
        if not set(study.get(name, {})) <= set(arms):
            raise DamagedError(f"study.{name}: expected names of arms")
    if of_logs:
        _check(study, _STUDY_OF_LOGS, "study")
        if "diagnosis" in study:
            raise DamagedError("study.diagnosis: expected none of curves that were read from logs")
    document["launches"] = [_readable(launch) for launch in _tables(document, "launches", 1)]
    for i, look in enumerate(_tables(document, "looks", 0)):
        _check(look, _LOOK, f"looks[{i}]")


def _readable(launch: dict[str, Any]) -> dict[str, Any]:
    """Returns the record of a launch without entries that cannot be understood."""
    kept = {n: v for n, v in launch.items() if n not in _LAUNCH_MAY_LACK or _LAUNCH_MAY_LACK[n].is_right(v)}
    kept |= {name: empty for name, (kind, empty) in _LAUNCH.items() if not kind.is_right(kept.get(name))}
    if not kept.keys() >= _AT_THE_END:
        kept = {name: value for name, value in kept.items() if name not in _AT_THE_END}
    if not isinstance(kept["code"].get("revision"), (str, NoneType)):
        kept["code"] = {}
    return kept


def is_of_logs(document: Mapping[str, Any]) -> bool:
    """Tells whether the curves of a study's document were read from logs, rather than trained here."""
    identity = document.get("identity")
    return isinstance(identity, Mapping) and identity.get("kind", KINDS[0]) != KINDS[0]


def _table(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = parent.get(name)
    if not isinstance(table, dict):
        raise DamagedError(f"{name}: expected named values")
    return table


def _tables(document: Mapping[str, Any], name: str, least: int) -> list[dict[str, Any]]:
    tables = document.get(name, [])
    if not isinstance(tables, list) or len(tables) < least or not all(isinstance(one, dict) for one in tables):
        raise DamagedError(f"{name}: expected a list of at least {least} entries")
    return tables


def _check(table: Mapping[str, Any], kinds: Mapping[str, _Kind], where: str) -> None:
    for name, kind in kinds.items():
        if not (kind.is_right(table[name]) if name in table else not kind.is_needed):
            raise DamagedError(f"{where}.{name}: expected {kind.words}")


def _check_by_arm(table: Mapping[str, Any], kinds: Mapping[str, _Kind], arms: tuple[str, ...], where: str) -> None:
    for name, kind in kinds.items():
        by_arm = table.get(name)
        if not isinstance(by_arm, dict) or by_arm.keys() != set(arms):
            raise DamagedError(f"{where}.{name}: expected a value for every arm")
        if not all(map(kind.is_right, by_arm.values())):
            raise DamagedError(f"{where}.{name}: expected for every arm {kind.words}")


def _arm_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    names = document.get("arm_order")
    is_right = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not names or not is_right or len(set(names)) != len(names):
        raise DamagedError("arm_order: expected the names of the arms, each once")
    if max(map(len, names)) > _MAX_NAME:
        raise DamagedError(f"arm_order: expected names of at most {_MAX_NAME} letters")
    return tuple(names)


def _check_arms(table: Mapping[str, Any], arms: tuple[str, ...]) -> None:
    if table.keys() != set(arms):
        raise DamagedError("identity.arms: expected the arms of arm_order")
    for fields in table.values():
        if not isinstance(fields, dict):
            raise DamagedError("identity.arms: expected named values for every arm")
        _check(fields, dict.fromkeys(fields, _FIELD), "identity.arms.…")


def _check_numbers_by_arm(identity: Mapping[str, Any]) -> None:
    """Checks numbers of an arm that have to go together."""
    eval_every = identity["eval_every"]
    for arm, horizon in identity["horizons"].items():
        if identity["width"][arm] % identity["block"][arm]:
            raise DamagedError("identity.block: expected a divisor of the width")
        step = identity["fork_step"][arm]
        if step is not None and (step % eval_every or step >= horizon):
            raise DamagedError("identity.fork_step: expected a multiple of eval_every before the horizon")


def _check_detector(detector: Mapping[str, Any]) -> None:
    if detector.keys() != set(DetectorSettings._fields):
        different = min(detector.keys() ^ set(DetectorSettings._fields))
        raise DamagedError(f"identity.detector: {'unknown' if different in detector else 'no'} {different!r}")
    try:
        check_settings(DetectorSettings(**detector))
    except InputError as error:
        raise DamagedError(f"identity.{error}") from None
