"""Makes the content of `study.json`, and the study of it again; `engine.store.validation` has checked what is read."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from .. import models, tasks
from ..arms import arm as config
from ..arms.choices import all_options
from ..errors import InputError, counted, unknown_name
from ..models import loading
from ..outcomes import DetectorSettings
from ..studies.designs import has_forks
from ..studies.diagnosis import read_record
from ..studies.expand import ExpandedStudy, expand
from ..studies.shared_program import Layout
from ..studies.study import Study
from ..user_code import fingerprint, is_reference, without_home
from . import SCHEMA_VERSION, is_of_logs


def document(plan: ExpandedStudy, platform: str, launch: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of `study.json`: everything that is needed to do a study again.

    `identity` makes it this study and no other. The number of seeds, and when and how it was
    launched, may change from launch to launch.
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
            "chance_of": {name: g.chance_of for name, g in plan.program_of.items()},
            "event": {name: g.event for name, g in plan.program_of.items()},
            "forks": study.forks,
            **({} if study.diagnosis is None else {"diagnosis": study.diagnosis._asdict()}),
            **({} if study.theory is None else {"theory": study.theory}),
            "places": _places_of(plan),
            "data_notes": {n: [note.words for note in g.notes if note.is_caution] for n, g in plan.program_of.items()},
        },
        "launches": [launch],
    }


def _places_of(plan: ExpandedStudy) -> dict[str, dict[str, str]]:
    """Returns where data and weights of each arm were found, by field, without the name of a home."""
    found = {
        name: {field: without_home(place) for field, place in config.places(arm).items()}
        for name, arm in plan.arms.items()
    }
    return {name: places for name, places in found.items() if places}


def identity_of(plan: ExpandedStudy, platform: str) -> dict[str, Any]:
    """Returns what makes a study this one and no other, as it comes back from JSON."""
    study = plan.study
    identity: dict[str, Any] = {
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
        **{key: {name: getattr(g.spec, key) for name, g in plan.program_of.items()} for key in Layout._fields},
        "stop": study.stop,
        "platform": platform,
        "data": {name: g.fingerprint for name, g in plan.program_of.items()},
        "model_source": {name: models.source_fingerprint(arm) for name, arm in plan.arms.items()},
        "task_source": {name: tasks.source_fingerprint(arm) for name, arm in plan.arms.items()},
    }
    own = {name: arm.optimizer for name, arm in plan.arms.items() if is_reference(arm.optimizer)}
    if own:
        identity["optimizer_source"] = {name: fingerprint(reference, "optimizer") for name, reference in own.items()}
    started = {name: digest for name, arm in plan.arms.items() if (digest := loading.fingerprint_of(arm)) is not None}
    if started:
        identity["start"] = started
    if study.diagnostics:
        identity |= {
            "diagnostics": study.diagnostics,
            "diagnostics_every": max(group.spec.diagnostics_every for group in plan.programs),
            "diagnostic_options": study.diagnostic_options,
        }
    read_back: dict[str, Any] = json.loads(json.dumps(identity))
    return read_back


def study_of(document: Mapping[str, Any]) -> Study:
    """Returns the study that a checked `study.json` describes: `document` makes the same identity of it.

    Raises:
        InputError: a name or a number is not usable, or the curves were read from logs.
    """
    if is_of_logs(document):
        raise InputError("these curves were read from logs, so there is nothing to run again")
    identity, about = document["identity"], document["study"]
    fork_steps = identity["fork_step"]
    same = ("eval_every", "root_seed", "fix_init", "fix_order", "stop", "design", "order_seeds")
    return Study(
        name=about["name"],
        question=about["question"],
        arms={
            name: config.arm_of(name, identity["arms"][name], _places_in(about, name)) for name in document["arm_order"]
        },
        baseline=about["baseline"],
        seeds=about["seeds"],
        horizon=identity["horizons"],
        detector=DetectorSettings(**identity["detector"]),
        forks=about["forks"],
        fork_step=fork_steps if any(step is not None for step in fork_steps.values()) else None,
        diagnostics=tuple(identity.get("diagnostics", ())),
        diagnostics_every=identity.get("diagnostics_every"),
        diagnostic_options=identity.get("diagnostic_options", {}),
        diagnosis=read_record(document),
        theory=about.get("theory"),
        **{name: identity[name] for name in same},
    )


def plan_of(
    document: Mapping[str, Any],
    platform: str,
    data_dir: str | None,
    moved: Mapping[str, str] | None = None,
    has_own_code: bool = False,
    is_quiet: bool = True,
) -> ExpandedStudy:
    """Expands the study that a checked `study.json` describes, at its width and in its form.

    Its list of runs is left empty, because a file may ask for more of them than fit in memory;
    `expand.run_of` makes single ones.

    Args:
        platform: kind of device on which it is to run now.
        data_dir: folder of prepared data.
        moved: where the user's data (`dataset_dir`) and weights (`start_from`) are now, if not where they were.
        has_own_code: whether the user's code, which the study names, may run.
        is_quiet: whether to draw no progress bar while data are read.

    Raises:
        InputError: see `study_of` and `expand`; the data are in several places; or code may not run.
    """
    study, identity = study_of(document), document["identity"]
    named = {
        name
        for arm in study.arms.values()
        for name in (arm.model, arm.loss, arm.metric, arm.optimizer, arm.trainer, arm.augment)
        if name is not None
    }
    own = sorted(filter(is_reference, named))
    if own and not has_own_code:
        raise InputError(
            f"this study executes code of the user's ({', '.join(own)}): to run it, "
            f"give --own_code, and only for a study that you trust"
        )
    for field, place in (moved or {}).items():
        study = _moved(study, field, place)
    design = "fork" if has_forks(study.design) else "seeds"
    short = dataclasses.replace(study, seeds=1, design=design, order_seeds=None)
    layouts = {name: Layout(*(identity[key][name] for key in Layout._fields)) for name in study.arms}
    plan = expand(short, platform, layouts, data_dir, is_quiet=is_quiet)
    return plan._replace(study=study, runs=[])


_MOVED = {"dataset_dir": "data", "start_from": "weights to start from"}


def _moved(study: Study, field: str, place: str) -> Study:
    """Returns the study with its data, or its weights to start from, at another place."""
    had = {getattr(arm, field) for arm in study.arms.values()} - {None}
    if len(had) != 1:
        words = f"they lie in {counted(len(had), 'place')}" if had else "they have no place of their own"
        raise InputError(f"{field}={place!r} cannot say where the {_MOVED[field]} of this study are: {words}")
    arms = {
        name: arm.replace(**{field: place}) if getattr(arm, field) is not None else arm
        for name, arm in study.arms.items()
    }
    return dataclasses.replace(study, arms=arms)


def _places_in(about: Mapping[str, Any], name: str) -> dict[str, str]:
    """Returns where the data of an arm were found."""
    places: dict[str, str] = about.get("places", {}).get(name, {})
    declared = {**config.COMMON, **all_options()}
    known = [name for name, one in declared.items() if one.part == "place"]
    for field in places:
        if field not in known:
            raise unknown_name(f"place of arm {name!r} in study.json", field, known)
    return places
