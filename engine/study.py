"""A study: arms × seeds × horizon, and how flags change it."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from engine import config, models, optimizers, rng, tasks
from engine.config import Arm
from engine.errors import InputError, unknown_name
from engine.plateau import DetectorSettings
from engine.precision import PRECISIONS

MAX_SEEDS = 10**7
_DETECTOR = DetectorSettings()


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
        stop: `horizon`: every run lasts that long; `settled`: a run ends once it has left chance
            level and its status is settled. What needs the end of a curve uses the end it has.
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
    stop: str = "horizon"
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
            check_whole(name, value, least)
        for number in self.seeds_by_arm.values():
            check_whole("seeds", number, 1, MAX_SEEDS)
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


def check_whole(name: str, value: Any, least: int, most: int = rng.MAX_SEED) -> None:
    """Checks a number that is left out or whole and within bounds.

    Raises:
        InputError: it is neither.
    """
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
        "precision": PRECISIONS,
    }
    return list(names.get(field, ()))


def resolve_arm(arm: Arm) -> Arm:
    """The arm with every field that is used filled in.

    Raises:
        InputError: a name is unknown, or a field is set that has no effect.
    """
    if arm.precision not in PRECISIONS:
        raise unknown_name("precision", arm.precision, PRECISIONS)
    used = {**tasks.resolve(arm), **models.resolve(arm), **optimizers.resolve(arm)}
    return dataclasses.replace(arm, **used)
