"""A study: arms × seeds × horizon, and the plan of its runs."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine import config, models, optimizers, provenance, rng, tasks
from engine.config import Arm
from engine.errors import InputError, unknown_name
from engine.lanes import FinishedRun, PoolSpec, Run, default_width
from engine.lowering import FORMS
from engine.plateau import DetectorSettings, event_code, find_break
from engine.store import SCHEMA_VERSION

_PRECISIONS = ("float32",)
_DETECTOR = DetectorSettings()
_MAX_EVAL_EVERY = 25
_MAX_HORIZON = 2**30
_MAX_SEEDS = 10**7
_FRESH_EVAL_EVERY = 10


@dataclasses.dataclass(frozen=True)
class Study:
    """What one launch does.

    Attributes:
        name: of the experiment.
        arms: by name, in the order of the report.
        seeds: repetitions of every arm, 0 … seeds−1; or a number for each arm.
        horizon: steps of every run; or
        epochs: passes over the data.
        eval_every: steps between evaluations; by default half an epoch of the arm with the
            shortest one, at most 25 steps.
        baseline: the arm that others are compared with; the first by default.
        question: one sentence, for the report.
        root_seed: from which every random stream is derived.
        fix_init: one init seed for all repetitions, so that only the data order varies.
        fix_order: one order seed for all repetitions, so that only the start varies.
        detector: settings of the detector.

    Raises:
        InputError: a number is out of range, or a name is unknown.
    """

    name: str
    arms: Mapping[str, Arm]
    seeds: int | Mapping[str, int]
    horizon: int | None = None
    epochs: float | None = None
    eval_every: int | None = None
    baseline: str | None = None
    question: str = ""
    root_seed: int = 0
    fix_init: int | None = None
    fix_order: int | None = None
    detector: DetectorSettings = _DETECTOR

    def __post_init__(self) -> None:
        if not self.arms:
            raise InputError("a study needs at least one arm")
        if (self.horizon is None) == (self.epochs is None):
            raise InputError("give either a horizon in steps or a number of epochs")
        for name, value, least in (
            ("horizon", self.horizon, 1),
            ("eval_every", self.eval_every, 1),
            ("root_seed", self.root_seed, 0),
            ("fix_init", self.fix_init, 0),
            ("fix_order", self.fix_order, 0),
        ):
            _check_whole(name, value, least)
        for number in self.seeds_by_arm.values():
            _check_whole("seeds", number, 1, _MAX_SEEDS)
        if self.epochs is not None and not (math.isfinite(self.epochs) and self.epochs > 0):
            raise InputError(f"epochs={self.epochs}: expected a positive number")
        for arm_name in [*([self.baseline] if self.baseline else []), *self.seeds_by_arm]:
            if arm_name not in self.arms:
                raise unknown_name("arm", arm_name, self.arms)

    @property
    def seeds_by_arm(self) -> dict[str, int]:
        """Repetitions of each arm."""
        if isinstance(self.seeds, Mapping):
            missing = [name for name in self.arms if name not in self.seeds]
            if missing:
                raise InputError(f"seeds are missing for arm {missing[0]!r}")
            return dict(self.seeds)
        return dict.fromkeys(self.arms, self.seeds)


def _check_whole(name: str, value: Any, least: int, most: int = rng.MAX_SEED) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name}={value!r}: expected a whole number from {least} to {most}")


def with_fields(study: Study, values: Mapping[str, Any]) -> Study:
    """The study with the same values set in every arm.

    Raises:
        InputError: a field does not exist, or a value is not usable.
    """
    checked = {name: config.check_value(name, value) for name, value in values.items()}
    arms = {name: dataclasses.replace(arm, **checked) for name, arm in study.arms.items()}
    return dataclasses.replace(study, arms=arms)


def with_sweep(study: Study, axes: Mapping[str, list[Any]]) -> Study:
    """The study with every arm replaced by the grid of all combinations of values.

    The first combination of the baseline becomes the new baseline.

    Args:
        study: the study.
        axes: values by field.

    Raises:
        InputError: a field does not exist, or a value is not usable or appears twice.
    """
    for name, values in axes.items():
        if len(set(values)) != len(values):
            raise InputError(f"sweep over {name}: the same value appears twice")
    arms, seeds = {}, {}
    for arm_name, arm in study.arms.items():
        for combination in itertools.product(*axes.values()):
            chosen = dict(zip(axes, combination, strict=True))
            label = ",".join(f"{field}={_label(value)}" for field, value in chosen.items())
            full = label if len(study.arms) == 1 else f"{arm_name},{label}"
            if full in arms:
                raise InputError(f"sweep: two arms would both be called {full!r}")
            arms[full] = dataclasses.replace(arm, **chosen)
            seeds[full] = study.seeds_by_arm[arm_name]
    baseline = None
    if study.baseline is not None:
        of_baseline = list(study.arms).index(study.baseline) * (len(arms) // len(study.arms))
        baseline = list(arms)[of_baseline]
    return dataclasses.replace(study, arms=arms, seeds=seeds, baseline=baseline)


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value).lower()


def choices(field: str) -> list[str]:
    """The names that a field of an arm can take; empty where it is not a name."""
    names: dict[str, Iterable[str]] = {
        "dataset": tasks.TASKS,
        "model": models.MODELS,
        "activation": models.ACTIVATIONS,
        "init": models.SCHEMES,
        "optimizer": optimizers.OPTIMIZERS,
        "schedule": optimizers.SCHEDULES,
        "precision": _PRECISIONS,
    }
    return list(names.get(field, ()))


def resolve_arm(arm: Arm) -> Arm:
    """The arm with every field that is used filled in.

    Raises:
        InputError: a name is unknown, or a field is set that has no effect.
    """
    if arm.precision not in _PRECISIONS:
        raise unknown_name("precision", arm.precision, _PRECISIONS)
    used = {**tasks.resolve(arm), **models.resolve(arm), **optimizers.resolve(arm)}
    return dataclasses.replace(arm, **used)


class Group(NamedTuple):
    """Arms of one structure: they share data, lanes and a compiled program.

    Attributes:
        spec: of their lane pools.
        arm_names: in the order of the study.
        chance_loss: of their task.
        steps_per_epoch: of their task, or `None`.
        fingerprint: of their data.
    """

    spec: PoolSpec
    arm_names: list[str]
    chance_loss: float
    steps_per_epoch: int | None
    fingerprint: str


class Plan(NamedTuple):
    """A study made concrete.

    Attributes:
        study: as given.
        arms: resolved.
        groups: arms by structure.
        horizons: steps of the runs of each arm, a multiple of `eval_every`.
        eval_every: steps between evaluations.
        runs: every run, by seed and then by arm.
    """

    study: Study
    arms: dict[str, Arm]
    groups: list[Group]
    horizons: dict[str, int]
    eval_every: int
    runs: list[Run]


def make_plan(
    study: Study,
    platform: str,
    width: int | Mapping[str, int] | None,
    form: str,
    data_dir: str | None = None,
) -> Plan:
    """Loads the data, resolves the arms and lists the runs.

    Args:
        study: what is to be done.
        platform: kind of device, for the rule of the width.
        width: lanes of every pool, or by arm; by that rule where there is none.
        form: of the convolutions.
        data_dir: where prepared data are kept.

    Raises:
        InputError: an arm is not usable, two arms are the same, or the data cannot be had.
    """
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    by_arm = width if isinstance(width, Mapping) else dict.fromkeys(study.arms, width)
    for lanes in by_arm.values():
        _check_whole("width", lanes, 1, _MAX_SEEDS)
    arms = {name: _resolve_named(name, arm) for name, arm in study.arms.items()}
    _refuse_equal_arms(arms)
    _refuse_equal_runs(study, arms)
    by_structure: dict[tuple[Any, ...], list[str]] = {}
    for name, arm in arms.items():
        by_structure.setdefault(tuple(config.structure(arm).values()), []).append(name)

    loaded: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    grouped = []
    for names in by_structure.values():
        arm = arms[names[0]]
        source = (arm.dataset, arm.task_seed)
        if source not in loaded:
            loaded[source] = tasks.load_data(arm, study.root_seed, data_dir)
        task = tasks.build_task(arm, loaded[source])
        models.check_fit(arm, task.example_shape, task.num_outputs)
        grouped.append((names, arm, loaded[source], task))

    eval_every = study.eval_every or min(
        _default_eval_every(task.steps_per_epoch) for *_, task in grouped
    )
    groups, horizons = [], {}
    for names, arm, data, task in grouped:
        lanes = by_arm.get(names[0]) or default_width(platform, arm)
        spec = PoolSpec(arm, data, study.root_seed, lanes, form, eval_every, study.detector)
        steps_per_epoch = task.steps_per_epoch
        fingerprint = tasks.fingerprint(data)
        groups.append(Group(spec, names, task.chance_loss, steps_per_epoch, fingerprint))
        for name in names:
            horizons[name] = _horizon(study, arm, steps_per_epoch, eval_every)
    ordered = {name: horizons[name] for name in arms}
    return Plan(study, arms, groups, ordered, eval_every, _runs(study, arms, ordered))


def _resolve_named(name: str, arm: Arm) -> Arm:
    try:
        return resolve_arm(arm)
    except InputError as error:
        raise InputError(f"arm {name!r}: {error}") from None


def _refuse_equal_arms(arms: Mapping[str, Arm]) -> None:
    first: dict[Arm, str] = {}
    for name, arm in arms.items():
        if arm in first:
            raise InputError(f"arms {first[arm]!r} and {name!r} are the same configuration")
        first[arm] = name


def _refuse_equal_runs(study: Study, arms: Mapping[str, Arm]) -> None:
    is_fixed = study.fix_init is not None and study.fix_order is not None
    for name, arm in arms.items():
        if is_fixed and not arm.dropout:
            raise InputError(
                f"fix_init and fix_order together leave nothing that varies from seed to seed in "
                f"arm {name!r}: expected at most one of them"
            )


def _default_eval_every(steps_per_epoch: int | None) -> int:
    if steps_per_epoch is None:
        return _FRESH_EVAL_EVERY
    return min(max(1, steps_per_epoch // 2), _MAX_EVAL_EVERY)


def _horizon(study: Study, arm: Arm, steps_per_epoch: int | None, eval_every: int) -> int:
    """Steps of a run, rounded up to whole evaluation intervals."""
    if study.horizon is not None:
        steps = float(study.horizon)
    elif steps_per_epoch is not None and study.epochs is not None:
        steps = study.epochs * steps_per_epoch
    else:
        raise InputError(
            f"dataset={arm.dataset} draws fresh examples and has no epochs: give --horizon in steps"
        )
    if steps > _MAX_HORIZON:
        raise InputError(f"a horizon of {steps:g} steps is too long: expected at most 2^30")
    return math.ceil(steps / eval_every - 1e-9) * eval_every


def _runs(study: Study, arms: Mapping[str, Arm], horizons: Mapping[str, int]) -> list[Run]:
    runs = []
    for seed in range(max(study.seeds_by_arm.values())):
        for name, arm in arms.items():
            if seed < study.seeds_by_arm[name]:
                init_seed = seed if study.fix_init is None else study.fix_init
                order_seed = seed if study.fix_order is None else study.fix_order
                runs.append(Run(name, arm, seed, init_seed, order_seed, seed, horizons[name]))
    return runs


def run_key(run: Run) -> tuple[Any, ...]:
    """What names the run in the store, see `store.RUN_KEY`."""
    return (run.arm_name, run.init_seed, run.order_seed, run.noise_seed, None, None)


def outcome_row(finished: FinishedRun, chance_loss: float, detector: DetectorSettings) -> dict:
    """The row of a finished run: who it was, what came of it, and its curves."""
    run, curves = finished.run, finished.curves
    outcome = find_break(
        finished.steps,
        curves["loss"],
        chance_loss,
        diverged_step=finished.diverged_step,
        settings=detector,
    ) if len(finished.steps) >= 2 else None  # fmt: skip
    status = outcome.status if outcome else "diverged"
    diverged_step = outcome.diverged_step if outcome else finished.diverged_step
    row: dict[str, Any] = {
        "arm": run.arm_name,
        "seed": run.seed,
        "init_seed": run.init_seed,
        "order_seed": run.order_seed,
        "noise_seed": run.noise_seed,
        "status": status,
        "event": event_code(status),
        "stop_reason": "horizon" if diverged_step is None else "diverged",
        "chance_loss": chance_loss,
        "end_accuracy": _end_accuracy(curves.get("accuracy"), detector),
        "steps_run": run.horizon if diverged_step is None else round(diverged_step),
        "steps": finished.steps,
        "batch_loss": finished.batch_loss,
        **curves,
    }
    if outcome is not None:
        for name in _OUTCOME_COLUMNS:
            row[name] = getattr(outcome, name)
    else:
        row.update(is_diverged_later=False, num_breaks=0)
    return row


_OUTCOME_COLUMNS = (
    "is_diverged_later",
    "onset_step",
    "onset_lower",
    "onset_upper",
    "half_step",
    "width_steps",
    "suddenness",
    "num_breaks",
    "end_loss",
    "best_minus_end",
)


def _end_accuracy(accuracy: np.ndarray | None, detector: DetectorSettings) -> float | None:
    if accuracy is None:
        return None
    num_end = max(1, math.ceil(detector.end_fraction * len(accuracy)))
    return float(np.median(accuracy[-num_end:]))


def document(plan: Plan, platform: str) -> dict[str, Any]:
    """`study.json`: everything that is needed to do the study again.

    `identity` is what makes it this study and no other. How many seeds it has, and when and how it
    was launched, may change from launch to launch.
    """
    study = plan.study
    identity = {
        "arms": {name: dataclasses.asdict(arm) for name, arm in plan.arms.items()},
        "horizons": plan.horizons,
        "eval_every": plan.eval_every,
        "root_seed": study.root_seed,
        "fix_init": study.fix_init,
        "fix_order": study.fix_order,
        "detector": study.detector._asdict(),
        "width": {name: g.spec.width for g in plan.groups for name in g.arm_names},
        "form": plan.groups[0].spec.form,
        "platform": platform,
        "data": {name: g.fingerprint for g in plan.groups for name in g.arm_names},
        "model_source": {name: models.source_fingerprint(arm) for name, arm in plan.arms.items()},
        "task_source": {name: tasks.source_fingerprint(arm) for name, arm in plan.arms.items()},
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": _as_json(identity),
        "arm_order": list(plan.arms),
        "study": {
            "name": study.name,
            "question": study.question,
            "baseline": study.baseline or next(iter(plan.arms)),
            "seeds": study.seeds_by_arm,
            "steps_per_epoch": {
                name: g.steps_per_epoch for g in plan.groups for name in g.arm_names
            },
            "chance_loss": {name: g.chance_loss for g in plan.groups for name in g.arm_names},
        },
        "launches": [
            {
                "command": provenance.command_line(),
                "versions": provenance.versions(),
                "hardware": provenance.hardware(),
                "code": provenance.code_revision(),
                "started": provenance.now(),
            }
        ],
    }


def _as_json(value: Any) -> Any:
    """The value as it comes back from JSON: tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value
