"""A study: arms × seeds × horizon, and how flags change it."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .. import models, tasks
from ..arms.arm import Arm, fill_in, find_option, with_reference
from ..arms.options import declared_in, documented, fill_owned, option
from ..errors import InputError, unknown_name
from ..models.loading import choose_start
from ..outcomes import DetectorSettings, check_settings
from ..outcomes.row import MAX_SEED, MAX_STEPS
from ..tasks.own_training import choose_trainer
from ..training.optimizers.own import choose_optimizer
from ..training.probes import check_names
from ..training.probes.registry import ALL, DIAGNOSTICS
from .designs import FIRST_GRID_SEED, MAX_SEEDS, check_design, has_grid
from .diagnosis import DiagnosisRecord
from .theories import THEORIES

_DETECTOR = DetectorSettings()
# Prefixes of sweep axes that set an argument of the user's code, and the field that holds it.
ARGUMENTS = {"model_arg.": "model_args", "optimizer_arg.": "optimizer_args", "trainer_arg.": "trainer_args"}
_BY_ARM = ("seeds", "horizon", "fork_step")


@documented
@dataclasses.dataclass(frozen=True)
class Study:
    """What one launch does.

    Arms are in the order of the report. `seeds`, `horizon` and `fork_step` are one number, or a number for each arm;
    either `horizon` or `epochs` is given. `diagnostic_options` has what the named diagnostics own, by name. `theory` is
    what the report holds the runs against, one of `engine.studies.theories.THEORIES`.

    Raises:
        InputError: a number is out of range, or a name is unknown.
    """

    name: str
    arms: Mapping[str, Arm]
    seeds: int | Mapping[str, int] = option(
        dataclasses.MISSING, "repetitions of every arm (default: the experiment's)", minimum=1, maximum=MAX_SEEDS
    )
    horizon: int | Mapping[str, int] | None = option(
        None, "length of every run in steps (default: the experiment's)", minimum=1, maximum=MAX_STEPS
    )
    epochs: float | None = option(None, "length of every run in passes over the data", is_positive=True)
    eval_every: int | None = option(
        None,
        "steps between evaluations (default: half an epoch of the arm with the shortest one, at most 25 steps)",
        minimum=1,
        maximum=MAX_STEPS,
    )
    baseline: str | None = option(
        None, "arm that the others are compared with (default: the experiment's, or the first)"
    )
    question: str = ""
    root_seed: int = option(
        0, "seed from which every random stream is derived (default: 0)", minimum=0, maximum=MAX_SEED
    )
    fix_init: int | None = option(
        None, "one init seed for all repetitions: only the data order varies", minimum=0, maximum=MAX_SEED
    )
    fix_order: int | None = option(
        None, "one order seed for all repetitions: only the start varies", minimum=0, maximum=FIRST_GRID_SEED - 1
    )
    stop: str = option(
        "horizon",
        "when a run ends: horizon, or settled: as soon as its outcome is clear, and what it learns carries over to "
        "held-out examples",
        choices=".training.stopping:STOPS",
    )
    detector: DetectorSettings = _DETECTOR
    design: str = option(
        "seeds", "which seeds are combined: seeds, crossed, fork or crossed_fork", choices=".studies.designs:DESIGNS"
    )
    order_seeds: int | None = option(None, "data orders of a crossed design", minimum=1, maximum=MAX_SEED)
    forks: int | None = option(None, "forks of every parent, in a design with forks", minimum=1, maximum=MAX_SEED)
    fork_step: int | Mapping[str, int] | None = option(
        None,
        "step at which forks change the data order (default: half the parents' median onset)",
        minimum=1,
        maximum=MAX_STEPS,
    )
    diagnostics: tuple[str, ...] = option(
        (),
        f"what to measure while a run waits: {ALL}, or {', '.join(DIAGNOSTICS)} with commas between them (default: "
        "the experiment's, or nothing)",
        most=1000,
    )
    diagnostics_every: int | None = option(
        None,
        "steps between these measurements: 1, 2, 4 or 8 times eval_every (default: 4 times)",
        minimum=1,
        maximum=MAX_STEPS,
    )
    diagnostic_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    diagnosis: DiagnosisRecord | None = None
    theory: str | None = None

    def __post_init__(self) -> None:
        if not self.arms:
            raise InputError("a study needs at least one arm")
        for name in self.arms:
            if not isinstance(name, str) or not name or name.encode(errors="ignore").decode() != name:
                raise InputError(f"arm {name!r}: expected a name that is text")
        if (self.horizon is None) == (self.epochs is None):
            raise InputError("give either a horizon in steps or a number of epochs")
        for name, declared in OPTIONS.items():
            if name in _BY_ARM:
                for value in self._by_arm(name).values():
                    declared.check(value)
            else:
                object.__setattr__(self, name, declared.check(getattr(self, name)))
        num_seeds, has_fork_step = list(self.seeds_by_arm.values()), self.fork_step is not None
        check_design(self.design, num_seeds, self.order_seeds, self.forks, has_fork_step)
        if has_grid(self.design) and (self.fix_init, self.fix_order) != (None, None):
            raise InputError(f"fix_init and fix_order have no effect with design={self.design}")
        object.__setattr__(self, "diagnostics", check_names(self.diagnostics))
        options = fill_owned(DIAGNOSTICS, self.diagnostics, self.diagnostic_options)
        object.__setattr__(self, "diagnostic_options", options)
        if self.diagnostics_every is not None and not self.diagnostics:
            raise InputError("diagnostics_every has no effect without diagnostics")
        if self.diagnosis is not None and self.diagnosis.kinds.keys() != self.arms.keys():
            raise InputError("diagnosis: expected what the arms of the study are there for")
        check_settings(self.detector)
        if self.theory is not None:
            THEORIES.check(self.theory)
        by_arm = [arm for name in _BY_ARM for arm in self._by_arm(name)]
        for arm_name in [*([self.baseline] if self.baseline else []), *by_arm]:
            if arm_name not in self.arms:
                raise unknown_name("arm", arm_name, self.arms)

    def has_diagnostics(self, arm_names: Sequence[str]) -> bool:
        """Tells whether arms of one structure have diagnostics: in a diagnosis only the given one has."""
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
        """Step at which the runs of each arm are forked, as given; `None` for the default."""
        return self._by_arm("fork_step")

    def _by_arm(self, name: str) -> dict[str, Any]:
        value = getattr(self, name)
        if not isinstance(value, Mapping):
            return dict.fromkeys(self.arms, value)
        missing = [arm for arm in self.arms if arm not in value]
        if missing:
            raise InputError(f"{name}: a number is missing for arm {missing[0]!r}")
        return dict(value)


OPTIONS = declared_in(Study)


def with_fields(study: Study, values: Mapping[str, Any]) -> Study:
    """Sets the same values in every arm of a study; raises `InputError` where that cannot be done."""
    checked = {name: find_option(name).check(value) for name, value in values.items()}
    arms = {name: arm.replace(**checked) for name, arm in study.arms.items()}
    return dataclasses.replace(study, arms=arms)


def with_sweep(study: Study, axes: Mapping[str, list[Any]]) -> Study:
    """Replaces every arm of a study by the grid of all combinations of some values.

    The first combination of the baseline becomes the new baseline. `axes` has values by field, or as text by a prefix
    of `ARGUMENTS` and the name of an argument of the user's code. Raises `InputError`, as `with_fields` does.
    """
    for name, values in axes.items():
        if len(set(values)) != len(values):
            raise InputError(f"sweep over {name}: the same value appears twice")
    arms: dict[str, Arm] = {}
    origin: dict[str, str] = {}
    for arm_name, arm in study.arms.items():
        for combination in itertools.product(*axes.values()):
            chosen = dict(zip(axes, combination, strict=True))
            label = ",".join(f"{name}={_label(name, value)}" for name, value in chosen.items())
            full = label if len(study.arms) == 1 else f"{arm_name},{label}"
            if full in arms:
                raise InputError(f"sweep: two arms would both be called {full!r}")
            arms[full], origin[full] = _with_values(arm, chosen), arm_name
    baseline = next((full for full, arm_name in origin.items() if arm_name == study.baseline), None)
    given: dict[str, Any] = {
        name: {full: study._by_arm(name)[arm_name] for full, arm_name in origin.items()}
        for name in _BY_ARM
        if getattr(study, name) is not None
    }
    return dataclasses.replace(study, arms=arms, baseline=baseline, **given)


def is_argument(axis: str) -> bool:
    """Tells whether a sweep axis sets an argument of the user's code."""
    return axis.startswith(tuple(ARGUMENTS))


def _with_values(arm: Arm, values: Mapping[str, Any]) -> Arm:
    """An arm with other values, of fields or of arguments of the user's code."""
    fields = {axis: value for axis, value in values.items() if not is_argument(axis)}
    for prefix, field in ARGUMENTS.items():
        typed = {axis.removeprefix(prefix): value for axis, value in values.items() if axis.startswith(prefix)}
        if typed:
            before = fields.get(field, getattr(arm, field))
            kept = [text for text in before if text.partition("=")[0].strip() not in typed]
            fields[field] = (*kept, *(f"{name}={value}" for name, value in typed.items()))
    return arm.replace(**fields)


def _label(field: str, value: Any) -> str:
    if not is_argument(field) and find_option(field).part == "place":
        # Names are stored and shown, and a place is nobody else's business.
        return PurePath(value).name
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value).lower()


def resolve_arm(arm: Arm) -> Arm:
    """Returns the arm with every option set that its choices own; raises `InputError` where one does not fit them."""
    if arm.trainer is not None:
        return choose_trainer(arm)
    if arm.trainer_args:
        raise InputError(f"trainer_args={arm.trainer_args!r} has no effect without trainer: leave it out")
    arm = models.choose_network(tasks.choose_source(choose_start(arm)))
    for field in ("loss", "metric"):
        arm = with_reference(arm, field)
    return fill_in(choose_optimizer(arm))
