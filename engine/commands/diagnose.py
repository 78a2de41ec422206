"""`diagnose`: why a configuration waits and what to change, by a designed study around it."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import store
from ..arms.arm import Arm, structure
from ..arms.options import check_fields, option, with_changes
from ..diagnosis.budget import Budget, Costs, choose, what_seeds_can_tell
from ..diagnosis.factors import DISPENSABLE, factors_of
from ..diagnosis.subject import subject_of
from ..diagnosis.suspects import TAKES_AWAY
from ..errors import InputError, counted
from ..lanes import tuning
from ..lanes.least_cost import least_step_cost
from ..lanes.memory import memory_limit
from ..preflight.checking import refuse_untrainable
from ..studies.diagnosis import AS_GIVEN, CHANGES, DiagnosisRecord, read_record
from ..studies.expand import ExpandedStudy, expand
from ..studies.study import OPTIONS, Study, resolve_arm
from ..training.probes.measuring import STEPS_AHEAD
from ..user_code import Place, as_path
from ..workers import devices, processes
from .check import only_arm
from .following import follow
from .open import Results
from .run import find_workers, run
from .running.looking import check_arm, describe_findings
from .running.options import RunOptions
from .running.progress import note, waiting

MINUTES = 10.0
# A note says so when it took longer than this multiple of the requested time.
_MORE_THAN_GIVEN = 1.25
# Diagnostics that the decision table and its readers need: the cheap ones.
_DIAGNOSTICS = ("norms", "epsilon", "dead", "spread", "outputs")
_QUESTION = "Why does it wait, and what should be changed?"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiagnoseOptions:
    """What is diagnosed, and for how long; raises `InputError` where a number is out of range.

    By default the minutes choose the seeds of every arm; `is_horizon_fixed` keeps the horizon of the study.
    """

    minutes: float | None = option(
        None,
        "for all of it, the report included: they choose seeds and horizon, where these are not given (default: 10)",
        is_positive=True,
    )
    arm: str | None = option(None, "arm of the experiment that is diagnosed (default: its baseline, or its first)")
    seeds: int | None = None
    is_horizon_fixed: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        OPTIONS["seeds"].check(self.seeds)


class _Pilot(NamedTuple):
    """The configuration with its data loaded, and what is changed around it."""

    study: ExpandedStudy
    arms: dict[str, Arm]
    record: DiagnosisRecord

    @property
    def horizon(self) -> int:
        return self.study.horizons[AS_GIVEN]

    def with_findings(self, findings: Sequence[Mapping[str, str]]) -> "_Pilot":
        return self._replace(record=self.record._replace(findings=findings))

    def without(self, names: Sequence[str]) -> "_Pilot":
        """Returns the pilot without some arms."""
        record = self.record
        keep = lambda table: {name: value for name, value in table.items() if name not in names}  # noqa: E731
        kinds, words, rates = keep(record.kinds), keep(record.words), keep(record.rates)
        skipped = {**record.skipped, **dict.fromkeys(names, "the minutes do not buy it")}
        return self._replace(
            arms=keep(self.arms), record=record._replace(kinds=kinds, words=words, rates=rates, skipped=skipped)
        )

    def horizons(self, steps: int) -> dict[str, int]:
        """Returns the steps of every arm in which it sees as many examples as the given one in some steps."""
        given = self.study.arms[AS_GIVEN].batch_size
        return {name: max(1, steps * given // arm.batch_size) for name, arm in self.arms.items()}

    @property
    def num_changes(self) -> int:
        return sum(kind in CHANGES for kind in self.record.kinds.values())

    @property
    def longest_horizon(self) -> float:
        """Steps after which the schedule has brought the learning rate down."""
        arm = self.study.arms[AS_GIVEN]
        return math.inf if arm.decay_steps is None else arm.decay_steps + (arm.warmup_steps or 0)


def diagnose(
    study: Study, workdir: Place, asked: DiagnoseOptions | None = None, options: RunOptions | None = None, **fields: Any
) -> Results:
    """Runs a designed study around one configuration, and writes its report with the verdict.

    Each arm differs from the configuration in one thing, with the seeds paired; controls tell what is slow from what is
    broken. A work directory that already holds this diagnosis is continued, at its seeds and horizon.

    Args:
        study: contains the arm; its horizon is a starting point.
        options: all but `is_tuned` and `cluster` have an effect.
        fields: single options by the names of their flags, as in `minutes=2` or `workers=2`, or of fields of both.

    Returns:
        What the work directory holds; `summary["diagnosis"]` is the verdict with its evidence.

    Raises:
        InputError: as `engine.run`; also if the minutes do not buy what is requested, the work directory holds a
            diagnosis with other seeds or another horizon, or the task waits for an event of its own.
    """
    began = time.monotonic()
    own = {field.name for field in dataclasses.fields(DiagnoseOptions)} & fields.keys()
    asked = dataclasses.replace(asked or DiagnoseOptions(), **{name: fields.pop(name) for name in own})
    options = with_changes(options or RunOptions(), fields)
    if options.is_tuned:
        raise InputError("tune has no effect on a diagnosis: leave it out")
    if options.cluster is not None:
        raise InputError("a diagnosis measures what a step costs on this machine, so it takes no cluster: leave it out")
    one = _around(study, asked.arm)
    available, num_workers = find_workers(options.num_workers)
    with waiting("reading data and network"):
        pilot = _pilot(one, available.platform, options.data_dir)
    known = _known(workdir, pilot, asked)
    if known is not None:
        record, budget = known
        minutes = record.minutes
        pilot = pilot.without([name for name in pilot.arms if name not in record.kinds]).with_findings(record.findings)
    elif asked.minutes is None and asked.seeds is not None and asked.is_horizon_fixed:
        words = [what_seeds_can_tell(asked.seeds, pilot.num_changes)]
        minutes, budget = None, Budget(asked.seeds, pilot.horizon, words)
        pilot = _checked(pilot, available, options.cache)
    else:
        minutes = MINUTES if asked.minutes is None else asked.minutes
        buy = functools.partial(_choose, pilot, asked, minutes, num_workers, began)
        pilot, budget = _measured(buy, pilot, available, options.cache)
    for line in budget.words:
        note(line)
    if pilot.record.skipped:
        note(f"{counted(len(pilot.record.skipped), 'change does', 'changes do')} not apply here; the report says why")
    designed = _designed(one, pilot, minutes, budget)
    run(designed, workdir, options=with_changes(options, {"has_report": False}))
    follow(designed, workdir, options, None if minutes is None else began + 60 * minutes)
    results = Results(workdir)
    if options.has_report:
        with waiting("writing the report"):
            results.report()
    taken = (time.monotonic() - began) / 60
    if known is None and minutes is not None and taken > _MORE_THAN_GIVEN * minutes:
        note(f"it took {taken:.1f} minutes, not {minutes:g}, as on a machine that does other things too")
    return results


def _designed(one: Study, pilot: _Pilot, minutes: float | None, budget: Budget) -> Study:
    return dataclasses.replace(
        one,
        name="diagnose",
        question=_QUESTION,
        arms=pilot.arms,
        baseline=AS_GIVEN,
        seeds=budget.seeds,
        horizon=pilot.horizons(budget.horizon),
        epochs=None,
        # Diagnostics look two steps ahead.
        eval_every=one.eval_every or max(pilot.study.eval_every, STEPS_AHEAD),
        diagnostics=(*_DIAGNOSTICS, *one.diagnostics),
        stop="settled",
        diagnosis=pilot.record._replace(minutes=minutes, budget=budget.words),
    )


def _around(study: Study, arm: str | None) -> Study:
    name = arm or study.baseline or next(iter(study.arms))
    one = only_arm(study, name)
    return dataclasses.replace(one, arms={AS_GIVEN: one.arms[name]})


def _pilot(study: Study, platform: str, data_dir: str | None) -> _Pilot:
    concrete = expand(study, platform, data_dir=data_dir, is_quiet=False)
    arm, program = concrete.arms[AS_GIVEN], concrete.programs[0]
    if program.event != "break":
        raise InputError(f"dataset={arm.dataset} waits for an event of its own: there is no plateau to explain")
    data = program.spec.data
    arms, record = factors_of(subject_of(arm, data))
    return _Pilot(concrete, arms, record)


def _known(workdir: Place, pilot: _Pilot, asked: DiagnoseOptions) -> tuple[DiagnosisRecord, Budget] | None:
    """Returns record and budget of the diagnosis that a work directory holds, and refuses any other study."""
    found = store.find_existing(as_path(workdir))
    if found is None:
        return None
    record = read_record(found.document)
    if record is None:
        raise InputError(
            f"work directory {str(workdir)!r} holds another study, which is no diagnosis: choose a new --workdir"
        )
    seeds = found.document["study"]["seeds"][AS_GIVEN]
    horizon = found.document["identity"]["horizons"][AS_GIVEN]
    requested = {"seeds": (asked.seeds or seeds, seeds)}
    if asked.is_horizon_fixed:
        requested["horizon"] = pilot.horizon, horizon
    for name, (value, known) in requested.items():
        if value != known:
            raise InputError(
                f"{name}={value}: the diagnosis in {str(workdir)!r} has {known}; to go on with it leave --{name} out, "
                f"or give another --workdir"
            )
    if asked.minutes not in (None, record.minutes):
        note(f"minutes={asked.minutes:g} choose nothing: this diagnosis is continued as it is")
    return record, Budget(seeds, horizon, record.budget)


def _measured(
    buy: Callable[[tuning.StepCost], Budget], pilot: _Pilot, available: devices.Devices, cache_dir: str
) -> tuple[_Pilot, Budget]:
    """Chooses by what steps cost on this machine, and refuses at once what not even a faster one could do."""
    spec = pilot.study.programs[0].spec
    with waiting("counting what a step has to compute"):
        least = least_step_cost(spec, available.platform)
    buy(least)
    pilot = _checked(pilot, available, cache_dir)
    with waiting("compiling, and measuring what a step costs here"):
        cost = processes.call(available, cache_dir, tuning.step_cost, spec, memory_limit(1))
    budget = buy(cost)
    return pilot.without(budget.left_out), budget


def _checked(pilot: _Pilot, available: devices.Devices, cache_dir: str) -> _Pilot:
    """Looks at data and network, says what is found, and keeps it."""
    found = check_arm(pilot.study, AS_GIVEN, available, cache_dir)
    for line in describe_findings(found):
        note(line)
    refuse_untrainable(found, pilot.study.arms[AS_GIVEN])
    return pilot.with_findings([finding._asdict() for finding in found])


def _choose(
    pilot: _Pilot, asked: DiagnoseOptions, minutes: float, num_workers: int, began: float, cost: tuning.StepCost
) -> Budget:
    """Chooses what some minutes buy: all arms, or as many as fit without those that can be done without."""
    found = {finding["cause"] for finding in pilot.record.findings}
    dispensable = [name for name in DISPENSABLE if name in pilot.arms and TAKES_AWAY.get(name) not in found]

    def attempt(left_out: Sequence[str]) -> Budget:
        smaller = pilot.without(left_out)
        structures = {tuple(structure(resolve_arm(arm)).items()) for arm in smaller.arms.values()}
        costs = Costs(
            cost.seconds_per_step,
            cost.start_seconds,
            spent_seconds=time.monotonic() - began,
            num_workers=max(1, num_workers),
            num_arms=len(smaller.arms),
            num_structures=len(structures),
            num_changes=smaller.num_changes,
        )
        budget = choose(costs, minutes, pilot.horizon, pilot.longest_horizon, asked.is_horizon_fixed, asked.seeds)
        words = [*budget.words, *([f"Left out, because more do not fit: {', '.join(left_out)}."] if left_out else [])]
        return budget._replace(words=words, left_out=tuple(left_out))

    for number in range(len(dispensable)):
        with contextlib.suppress(InputError):
            return attempt(dispensable[:number])
    return attempt(dispensable)
