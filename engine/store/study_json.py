"""`study.json`: everything that is needed to do a study again, written and read back.

What is read may come from a stranger: every entry is checked for its kind here, and for its value
where a person's would be.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from engine import models, tasks
from engine.arms import arm as config
from engine.arms.choices import all_options
from engine.errors import InputError, unknown_name
from engine.outcomes import DetectorSettings
from engine.store import FINGERPRINTS, SCHEMA_VERSION, is_of_logs
from engine.studies.designs import has_forks
from engine.studies.diagnosis import read_record
from engine.studies.expand import ExpandedStudy, expand
from engine.studies.shared_program import Layout
from engine.studies.study import Study
from engine.user_code import is_reference, without_home

_MOST_LANES = 2**16
_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number", NoneType: "null"}
_ENTRIES = {"platform": "the kind of device"}


def document(plan: ExpandedStudy, platform: str, launch: dict[str, Any]) -> dict[str, Any]:
    """`study.json`: everything that is needed to do the study again.

    `identity` is what makes it this study and no other. How many seeds it has, and when and how it
    was launched, may change from launch to launch.

    Args:
        plan: of the study.
        platform: kind of device that this launch runs on.
        launch: its record.
    """
    study = plan.study
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": identity_of(plan, platform),
        "arm_order": list(plan.arms),
        "study": {
            "name": study.name,
            "question": study.question,
            "baseline": study.baseline or next(iter(plan.arms)),
            "seeds": study.seeds_by_arm,
            "steps_per_epoch": {name: g.steps_per_epoch for name, g in plan.program_of.items()},
            "chance_loss": {name: g.chance_loss for name, g in plan.program_of.items()},
            "event": {name: g.event for name, g in plan.program_of.items()},
            "forks": study.forks,
            **({} if study.diagnosis is None else {"diagnosis": study.diagnosis._asdict()}),
            **({} if study.theory is None else {"theory": study.theory}),
            "places": _places_of(plan),
            "data_notes": {
                name: [note.words for note in group.notes if note.is_caution] for name, group in plan.program_of.items()
            },
        },
        "launches": [launch],
    }


def _places_of(plan: ExpandedStudy) -> dict[str, dict[str, str]]:
    """Where each arm's data were found, by field; no home is called by its owner's name."""
    found: dict[str, dict[str, str]] = {}
    for name, arm in plan.arms.items():
        for field, place in config.places(arm).items():
            if place is not None:
                found.setdefault(name, {})[field] = without_home(place)
    return found


def identity_of(plan: ExpandedStudy, platform: str) -> dict[str, Any]:
    """What makes a plan this study and no other, as it comes back from JSON."""
    study = plan.study
    identity = {
        "arms": {name: config.identity_fields(arm) for name, arm in plan.arms.items()},
        "horizons": plan.horizons,
        "eval_every": plan.eval_every,
        "root_seed": study.root_seed,
        "fix_init": study.fix_init,
        "fix_order": study.fix_order,
        "design": study.design,
        "order_seeds": study.order_seeds,
        "fork_step": plan.fork_steps,
        "detector": study.detector._asdict(),
        "width": {name: g.spec.width for name, g in plan.program_of.items()},
        "block": {name: g.spec.block for name, g in plan.program_of.items()},
        "form": {name: g.spec.form for name, g in plan.program_of.items()},
        "stop": study.stop,
        "platform": platform,
        "data": {name: g.fingerprint for name, g in plan.program_of.items()},
        "model_source": {name: models.source_fingerprint(arm) for name, arm in plan.arms.items()},
        "task_source": {name: tasks.source_fingerprint(arm) for name, arm in plan.arms.items()},
    }
    if study.diagnostics:
        identity |= {
            "diagnostics": study.diagnostics,
            "diagnostics_every": max(group.spec.diagnostics_every for group in plan.programs),
        }
    return _as_json(identity)


def _as_json(value: Any) -> Any:
    """The value as it comes back from JSON: tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value


def study_of(document: Mapping[str, Any]) -> Study:
    """The study that a `study.json` describes: `document` makes the same identity of it.

    Args:
        document: content of `study.json`.

    Raises:
        InputError: an entry is missing, of the wrong kind, or not usable.
    """
    identity, about = (_entry(document, key, dict) for key in ("identity", "study"))
    if is_of_logs(document):
        raise InputError("these curves were read from logs, so there is nothing to run again")
    names = _arm_names(document, identity)
    arms = {name: config.arm_of(name, _entry(identity["arms"], name, dict), _places_in(about, name)) for name in names}
    fork_steps = _by_arm(identity, "fork_step", names, int, NoneType)
    has_fork_steps = any(step is not None for step in fork_steps.values())
    return Study(
        name=_entry(about, "name", str),
        question=_entry(about, "question", str),
        arms=arms,
        baseline=_entry(about, "baseline", str),
        seeds=_by_arm(about, "seeds", names, int),
        horizon=_by_arm(identity, "horizons", names, int),
        eval_every=_entry(identity, "eval_every", int),
        root_seed=_entry(identity, "root_seed", int),
        fix_init=_entry(identity, "fix_init", int, NoneType),
        fix_order=_entry(identity, "fix_order", int, NoneType),
        stop=_entry(identity, "stop", str),
        detector=_detector(_entry(identity, "detector", dict)),
        design=_entry(identity, "design", str),
        order_seeds=_entry(identity, "order_seeds", int, NoneType),
        forks=_entry(about, "forks", int, NoneType),
        fork_step=fork_steps if has_fork_steps else None,
        **_diagnostics_in(identity),
        diagnosis=read_record(document),
        theory=_entry(about, "theory", str, NoneType) if "theory" in about else None,
    )


def _diagnostics_in(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured while a run waits; without an entry, nothing."""
    if "diagnostics" not in identity:
        return {}
    return {
        "diagnostics": tuple(_entry(identity, "diagnostics", list)),
        "diagnostics_every": _entry(identity, "diagnostics_every", int),
    }


def plan_of(
    document: Mapping[str, Any],
    platform: str,
    data_dir: str | None,
    dataset_dir: str | None = None,
    has_own_code: bool = False,
    is_quiet: bool = True,
) -> ExpandedStudy:
    """The plan of the study that a `study.json` describes, at its width and in its form.

    Its list of runs is left empty: a file may ask for more of them than fit in memory.
    `plan.run_of` makes single ones.

    Args:
        document: content of `study.json`.
        platform: kind of device on which it is to run now.
        data_dir: where prepared data are kept.
        dataset_dir: where the data of the arms that have a place are now, if not where they were.
        has_own_code: whether to run the code of a network that the study names by its file.
        is_quiet: whether to draw no progress bar while data are read.

    Raises:
        InputError: see `study_of` and `expand`; there are data in several places; or there is
            such a network, and it must not run.
    """
    study, identity = study_of(document), document["identity"]
    own = sorted({arm.model for arm in study.arms.values() if is_reference(arm.model)})
    if own and not has_own_code:
        raise InputError(
            f"this study trains a network of somebody's own code ({', '.join(own)}): to run it, "
            f"give --own_code, and only for a study that you trust"
        )
    if dataset_dir is not None:
        study = _moved(study, dataset_dir)
    names = list(study.arms)
    width, block = (_by_arm(identity, key, names, int) for key in ("width", "block"))
    form = _by_arm(identity, "form", names, str)
    for name in names:
        if not 1 <= width[name] <= _MOST_LANES:
            raise InputError(f"study.json: width of {name!r} is {width[name]}: expected 1 to {_MOST_LANES}")
        if not 1 <= block[name] <= width[name] or width[name] % block[name]:
            raise InputError(
                f"study.json: block of {name!r} is {block[name]}: expected a divisor of the width of {width[name]}"
            )
    design = "fork" if has_forks(study.design) else "seeds"
    short = dataclasses.replace(study, seeds=1, design=design, order_seeds=None)
    layouts = {name: Layout(width[name], block[name], form[name]) for name in names}
    plan = expand(short, platform, layouts, data_dir, is_quiet=is_quiet)
    return plan._replace(study=study, runs=[])


def _moved(study: Study, dataset_dir: str) -> Study:
    """The study with its data at another place."""
    had = {arm.dataset_dir for arm in study.arms.values() if arm.dataset_dir is not None}
    if len(had) != 1:
        words = f"they lie in {len(had)} places" if had else "they have no place of their own"
        raise InputError(f"dataset_dir={dataset_dir!r} cannot say where the data of this study are: {words}")
    arms = {name: arm.replace(dataset_dir=dataset_dir) if arm.dataset_dir else arm for name, arm in study.arms.items()}
    return dataclasses.replace(study, arms=arms)


def identity_differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, where the identity of a `study.json` is not what is made of it now."""
    lines = []
    for key in sorted({*stored, *now}):
        before, after = stored.get(key), now.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            for name in sorted({*before, *after}):
                of_each = before.get(name), after.get(name)
                if key == "arms":
                    of_each = tuple(map(_with_defaults, of_each))
                if of_each[0] != of_each[1]:
                    lines.append(_difference(key, name, *of_each))
        else:
            lines.append(f"{_ENTRIES.get(key, key)} was {_shown(before)}, is now {_shown(after)}")
    return lines


def _with_defaults(fields: Any) -> Any:
    """Fields of an arm, with those that an older release did not have as they were then."""
    return fields


def _difference(key: str, name: str, before: Any, after: Any) -> str:
    if key in FINGERPRINTS:
        return f"the {FINGERPRINTS[key]} of {name!r} is another"
    if key == "arms" and isinstance(before, dict) and isinstance(after, dict):
        fields = (f for f in sorted({*before, *after}) if before.get(f) != after.get(f))
        changes = (f"{f} was {_shown(before.get(f))}, is {_shown(after.get(f))}" for f in fields)
        return f"arm {name!r}: {', '.join(changes)}"
    return f"{key} of {name!r} was {_shown(before)}, is now {_shown(after)}"


def _shown(value: Any) -> str:
    """A value from a file, on one short line."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _entry(entries: Mapping[str, Any], key: str, *kinds: type, label: str | None = None) -> Any:
    """An entry of one of some kinds."""
    value = entries.get(key)
    if isinstance(value, bool) or not isinstance(value, kinds):
        expected = " or ".join(_KINDS[kind] for kind in kinds)
        found = f"is {_shown(value)}" if key in entries else "is missing"
        raise InputError(f"study.json: {label or key} {found}: expected {expected}")
    return value


def _by_arm(entries: Mapping[str, Any], key: str, names: Sequence[str], *kinds: type) -> dict[str, Any]:
    """An entry with a value for every arm."""
    values = _entry(entries, key, dict)
    for name in values:
        if name not in names:
            raise unknown_name(f"arm in {key} of study.json", name, names)
    return {name: _entry(values, name, *kinds, label=f"{key} of {name!r}") for name in names}


def _arm_names(document: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    names, arms = _entry(document, "arm_order", list), _entry(identity, "arms", dict)
    if not all(isinstance(name, str) for name in names) or sorted(names) != sorted(arms):
        raise InputError("study.json: arm_order does not name every arm once")
    return names


def _places_in(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Where an arm's data were found; older releases knew of no places."""
    by_arm = _entry(about, "places", dict) if "places" in about else {}
    places = _entry(by_arm, name, dict, label=f"places of {name!r}") if name in by_arm else {}
    known = [name for name, option in all_options().items() if option.part == "place"]
    for field in places:
        if field not in known:
            raise unknown_name(f"place of arm {name!r} in study.json", field, known)
    return places


def _detector(numbers: Mapping[str, Any]) -> DetectorSettings:
    for name in numbers:
        if name not in DetectorSettings._fields:
            raise unknown_name("number of the detector", name, DetectorSettings._fields)
    return DetectorSettings(**numbers)
