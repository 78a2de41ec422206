"""A study: arms × seeds × horizon, and how flags change it."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from engine import models, tasks
from engine.arms import arm as config
from engine.arms.arm import Arm
from engine.errors import InputError, unknown_name
from engine.outcomes import DetectorSettings, check_settings
from engine.studies import designs
from engine.studies.diagnosis_record import DiagnosisRecord
from engine.studies.theories import THEORIES
from engine.tasks import random_streams
from engine.training.probes import check_names

MAX_SEEDS = 10**7
_DETECTOR = DetectorSettings()
# Before the name of an argument of one's own network, in a sweep.
MODEL_ARG = "model_arg."
_BY_ARM = ("seeds", "horizon", "fork_step")


@dataclasses.dataclass(frozen=True)
class Study:
    """What one launch does.

    Attributes:
        name: of the experiment.
        arms: by name, in the order of the report.
        seeds: repetitions of every arm, 0 … seeds−1; or a number for each arm. In a crossed design
            these are the init seeds.
        horizon: steps of every run, or a number for each arm; or
        epochs: passes over the data.
        eval_every: steps between evaluations; by default half an epoch of the arm with the
            shortest one, at most 25 steps.
        baseline: the arm that others are compared with; the first by default.
        question: one sentence, for the report.
        root_seed: from which every random stream is derived.
        fix_init: one init seed for all repetitions, so that only the data order varies.
        fix_order: one order seed for all repetitions, so that only the start varies.
        stop: `horizon`: every run lasts that long; `settled`: a run ends once it has left chance
            level, on held-out examples too, and its status is settled. What needs the end of a
            curve uses the end it has.
        detector: settings of the detector.
        design: which seeds are combined, one of `engine.studies.designs.DESIGNS`.
        order_seeds: data orders of a crossed design.
        forks: of every parent, in a design with forks.
        fork_step: where forks change the data order, in steps, or a number for each arm; by
            default at half the parents' median waiting time.
        diagnostics: what is measured while a run waits, of `engine.training.probes.DIAGNOSTICS`; or
            `("all",)`.
        diagnostics_every: steps between these measurements: 1, 2, 4 or 8 times `eval_every`; by
            default 4.
        diagnosis: what a diagnosis was made of, see `engine.studies.diagnosis_record`; else `None`.
        theory: that the report holds the runs against, one of `engine.studies.theories.THEORIES`.

    Raises:
        InputError: a number is out of range, or a name is unknown.
    """

    name: str
    arms: Mapping[str, Arm]
    seeds: int | Mapping[str, int]
    horizon: int | Mapping[str, int] | None = None
    epochs: float | None = None
    eval_every: int | None = None
    baseline: str | None = None
    question: str = ""
    root_seed: int = 0
    fix_init: int | None = None
    fix_order: int | None = None
    stop: str = "horizon"
    detector: DetectorSettings = _DETECTOR
    design: str = "seeds"
    order_seeds: int | None = None
    forks: int | None = None
    fork_step: int | Mapping[str, int] | None = None
    diagnostics: tuple[str, ...] = ()
    diagnostics_every: int | None = None
    diagnosis: DiagnosisRecord | None = None
    theory: str | None = None

    def __post_init__(self) -> None:
        if not self.arms:
            raise InputError("a study needs at least one arm")
        if (self.horizon is None) == (self.epochs is None):
            raise InputError("give either a horizon in steps or a number of epochs")
        for name, value, least in (
            *(("horizon", steps, 1) for steps in self._by_arm("horizon").values()),
            *(("fork_step", step, 1) for step in self._by_arm("fork_step").values()),
            ("order_seeds", self.order_seeds, 1),
            ("forks", self.forks, 1),
            ("eval_every", self.eval_every, 1),
            ("diagnostics_every", self.diagnostics_every, 1),
            ("root_seed", self.root_seed, 0),
            ("fix_init", self.fix_init, 0),
        ):
            check_whole(name, value, least)
        check_whole("fix_order", self.fix_order, 0, designs.FIRST_GRID_SEED - 1)
        for number in self.seeds_by_arm.values():
            check_whole("seeds", number, 1, MAX_SEEDS)
        self._check_design()
        object.__setattr__(self, "diagnostics", check_names(self.diagnostics))
        if self.diagnostics_every is not None and not self.diagnostics:
            raise InputError("diagnostics_every has no effect without diagnostics")
        if self.diagnosis is not None and self.diagnosis.kinds.keys() != self.arms.keys():
            raise InputError("diagnosis: expected what the arms of the study are there for")
        check_settings(self.detector)
        if self.theory is not None:
            THEORIES.check(self.theory)
        if self.epochs is not None and not (math.isfinite(self.epochs) and self.epochs > 0):
            raise InputError(f"epochs={self.epochs}: expected a positive number")
        by_arm = [arm for name in _BY_ARM for arm in self._by_arm(name)]
        for arm_name in [*([self.baseline] if self.baseline else []), *by_arm]:
            if arm_name not in self.arms:
                raise unknown_name("arm", arm_name, self.arms)

    def _check_design(self) -> None:
        if self.design not in designs.DESIGNS:
            raise unknown_name("design", self.design, designs.DESIGNS)
        designs.check_design(
            self.design, list(self.seeds_by_arm.values()), self.order_seeds, self.forks, self.fork_step is not None
        )
        if designs.has_grid(self.design) and (self.fix_init, self.fix_order) != (None, None):
            raise InputError(f"fix_init and fix_order have no effect with design={self.design}")

    def has_diagnostics(self, arm_names: Sequence[str]) -> bool:
        """Whether arms of one structure have diagnostics: of a diagnosis those of the given one."""
        kinds = None if self.diagnosis is None else self.diagnosis.kinds
        return bool(self.diagnostics) and (kinds is None or any(kinds[name] == "given" for name in arm_names))

    @property
    def seeds_by_arm(self) -> dict[str, int]:
        """Repetitions of each arm."""
        return self._by_arm("seeds")

    @property
    def horizons_by_arm(self) -> dict[str, int | None]:
        """Steps of the runs of each arm, as given; `None` where epochs are."""
        return self._by_arm("horizon")

    @property
    def fork_steps_by_arm(self) -> dict[str, int | None]:
        """Where the runs of each arm are forked, as given; `None` for the default."""
        return self._by_arm("fork_step")

    def _by_arm(self, name: str) -> dict[str, Any]:
        """A number that is given once, or by arm."""
        value = getattr(self, name)
        if not isinstance(value, Mapping):
            return dict.fromkeys(self.arms, value)
        missing = [arm for arm in self.arms if arm not in value]
        if missing:
            raise InputError(f"{name}: a number is missing for arm {missing[0]!r}")
        return dict(value)


def check_whole(name: str, value: Any, least: int, most: int = random_streams.MAX_SEED) -> None:
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
    checked = {name: config.find_option(name).check(value) for name, value in values.items()}
    arms = {name: arm.replace(**checked) for name, arm in study.arms.items()}
    return dataclasses.replace(study, arms=arms)


def with_sweep(study: Study, axes: Mapping[str, list[Any]]) -> Study:
    """The study with every arm replaced by the grid of all combinations of values.

    The first combination of the baseline becomes the new baseline.

    Args:
        study: the study.
        axes: values by field, or by `model_arg.` and the name of an argument of one's own network,
            as text.

    Raises:
        InputError: a field does not exist, or a value is not usable or appears twice.
    """
    for name, values in axes.items():
        if len(set(values)) != len(values):
            raise InputError(f"sweep over {name}: the same value appears twice")
    arms: dict[str, Arm] = {}
    by_arm: dict[str, dict[str, Any]] = {name: {} for name in _BY_ARM}
    for arm_name, arm in study.arms.items():
        for combination in itertools.product(*axes.values()):
            chosen = dict(zip(axes, combination, strict=True))
            label = ",".join(f"{name}={_label(name, value)}" for name, value in chosen.items())
            full = label if len(study.arms) == 1 else f"{arm_name},{label}"
            if full in arms:
                raise InputError(f"sweep: two arms would both be called {full!r}")
            arms[full] = _with_values(arm, chosen)
            for name, values_by_arm in by_arm.items():
                values_by_arm[full] = study._by_arm(name)[arm_name]
    baseline = None
    if study.baseline is not None:
        of_baseline = list(study.arms).index(study.baseline) * (len(arms) // len(study.arms))
        baseline = list(arms)[of_baseline]
    given: dict[str, Any] = {n: v for n, v in by_arm.items() if getattr(study, n) is not None}
    return dataclasses.replace(study, arms=arms, baseline=baseline, **given)


def _with_values(arm: Arm, values: Mapping[str, Any]) -> Arm:
    """An arm with other values, of fields or of arguments of its own network."""
    of_model = {axis.removeprefix(MODEL_ARG): value for axis, value in values.items() if axis.startswith(MODEL_ARG)}
    fields = {axis: value for axis, value in values.items() if not axis.startswith(MODEL_ARG)}
    if of_model:
        before = fields.get("model_args", arm.model_args)
        kept = [text for text in before if text.partition("=")[0].strip() not in of_model]
        fields["model_args"] = (*kept, *(f"{name}={value}" for name, value in of_model.items()))
    return arm.replace(**fields)


def _label(field: str, value: Any) -> str:
    if not field.startswith(MODEL_ARG) and config.find_option(field).part == "place":
        # Names are stored and shown, and a place is nobody else's business.
        return PurePath(value).name
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value).lower()


def resolve_arm(arm: Arm) -> Arm:
    """Returns the arm with every option set that its choices own.

    Raises:
        InputError: a name is unknown, an option is missing, or one is set that has no effect.
    """
    return config.fill_in(models.choose_network(tasks.choose_source(arm)))
