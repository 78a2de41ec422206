"""`diagnose`: why a configuration waits and what to change, by a designed study around it."""

import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict, Unpack

from engine import store, workers
from engine.arms.arm import Arm, structure
from engine.commands.open import Results
from engine.commands.run import default_cache_dir, find_workers, run
from engine.commands.running.progress import note
from engine.diagnosis.budget import Budget, Costs, choose, what_seeds_can_tell
from engine.diagnosis.factors import Factors, factors_of
from engine.diagnosis.record import record_of
from engine.errors import InputError, unknown_name
from engine.lanes import tuning
from engine.lanes.memory import memory_limit
from engine.studies.diagnosis_kinds import AS_GIVEN
from engine.studies.diagnosis_record import read_record
from engine.studies.expand import ExpandedStudy, expand
from engine.studies.study import MAX_SEEDS, Study, check_whole, resolve_arm
from engine.tasks.controls import has_constant_inputs, has_examples
from engine.training.probes.measuring import STEPS_AHEAD
from engine.user_code import as_path
from engine.workers import devices

MINUTES = 10.0
# So many times the minutes that were given are worth a word.
_MORE_THAN_GIVEN = 1.25
# What the decision table, and who reads it, want to see inside the runs: the cheap ones.
_DIAGNOSTICS = ("norms", "epsilon", "dead", "spread", "outputs")
_QUESTION = "Why does it wait, and what should be changed?"


class _Pilot(NamedTuple):
    """The configuration made concrete."""

    plan: ExpandedStudy
    factors: Factors
    has_constant_inputs: bool | None

    @property
    def horizon(self) -> int:
        """That was asked for, in steps."""
        return self.plan.horizons[AS_GIVEN]

    @property
    def longest_horizon(self) -> float:
        """Steps after which the schedule has brought the learning rate down."""
        arm = self.plan.arms[AS_GIVEN]
        if arm.decay_steps is None:
            return math.inf
        return arm.decay_steps + (arm.warmup_steps or 0)


class RunOptions(TypedDict, total=False):
    """Further arguments of `engine.run`."""

    width: int | None
    form: str | None
    is_quiet: bool
    has_report: bool
    checkpoint_every: float | None
    live_every: float | None
    has_tensorboard: bool
    wandb_runs: int | None


class _Asked(NamedTuple):
    """What the budget is to be made of, see `diagnose`."""

    minutes: float | None
    seeds: int | None
    is_horizon_fixed: bool


def diagnose(
    study: Study,
    workdir: str | os.PathLike[str],
    *,
    arm: str | None = None,
    minutes: float | None = None,
    seeds: int | None = None,
    is_horizon_fixed: bool = False,
    num_workers: int | None = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    **options: Unpack[RunOptions],
) -> Results:
    """Runs a designed study around one configuration, and writes its report with the verdict.

    Each arm differs from the configuration in one thing, with the seeds paired; controls tell what
    is slow from what is broken. What does not apply is skipped, and said. A work directory that
    holds this diagnosis already is gone on with, at its seeds and horizon.

    Args:
        study: whose arm is diagnosed, and whose horizon is a starting point.
        workdir: where rows and report go.
        arm: which; the study's baseline by default, or its first.
        minutes: for all of it; by default 10. They choose seeds and horizon.
        seeds: of every arm, where they are not to be chosen.
        is_horizon_fixed: whether the study's horizon is not to be changed.
        num_workers, data_dir, cache_dir: as for `engine.run`.
        options: further arguments of `engine.run`.

    Returns:
        What the work directory holds; `summary["diagnosis"]` is the verdict with its evidence.

    Raises:
        InputError: as `engine.run`; also where the minutes do not buy what was asked for, the work
            directory holds a diagnosis with other seeds or another horizon, or the task has an
            event of its own, and so no plateau to explain.
        TypeError: an option is none of `engine.run`, or not one for a diagnosis.
    """
    unknown = sorted(options.keys() - RunOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"diagnose() got an unexpected keyword argument {unknown[0]!r}")
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"minutes={minutes}: expected a positive number")
    check_whole("seeds", seeds, 1, MAX_SEEDS)
    began = time.monotonic()
    cache = str(cache_dir or default_cache_dir())
    one = _around(study, arm)
    available, number = find_workers(num_workers)
    pilot = _pilot(one, available.platform, data_dir)
    asked = _Asked(minutes, seeds, is_horizon_fixed)
    known = _known(workdir, pilot, asked)
    minutes, budget = known or _chosen(pilot, asked, lambda: _costs(pilot, available, number, cache, began))
    for line in budget.words:
        note(line)
    for name, reason in pilot.factors.skipped.items():
        note(f"without {name}: {reason}")
    designed = _designed(one, pilot, minutes, budget)
    results = run(designed, workdir, num_workers=num_workers, data_dir=data_dir, cache_dir=cache, **options)
    taken = (time.monotonic() - began) / 60
    if known is None and minutes is not None and taken > _MORE_THAN_GIVEN * minutes:
        note(
            f"it took {taken:.1f} minutes, not {minutes:g}: something took longer than it was "
            f"measured to, as on a machine that does other things too"
        )
    return results


def _chosen(pilot: _Pilot, asked: _Asked, measured: Callable[[], Costs]) -> tuple[float | None, Budget]:
    """Minutes and budget of a new diagnosis; costs are measured where minutes are to be spent."""
    minutes, seeds, is_horizon_fixed = asked
    if minutes is None and seeds is not None and is_horizon_fixed:
        return None, Budget(seeds, pilot.horizon, [what_seeds_can_tell(seeds)])
    minutes = MINUTES if minutes is None else minutes
    longest = pilot.longest_horizon
    return minutes, choose(minutes, measured(), pilot.horizon, longest, is_horizon_fixed, seeds)


def _designed(one: Study, pilot: _Pilot, minutes: float | None, budget: Budget) -> Study:
    """The study that decides."""
    return dataclasses.replace(
        one,
        name="diagnose",
        question=_QUESTION,
        arms={name: factor.arm for name, factor in pilot.factors.arms.items()},
        baseline=AS_GIVEN,
        seeds=budget.seeds,
        horizon=budget.horizon,
        epochs=None,
        # Diagnostics look two steps ahead.
        eval_every=one.eval_every or max(pilot.plan.eval_every, STEPS_AHEAD),
        diagnostics=(*_DIAGNOSTICS, *one.diagnostics),
        stop="settled",
        diagnosis=record_of(pilot.factors, minutes, budget.words, pilot.has_constant_inputs),
    )


def _around(study: Study, arm: str | None) -> Study:
    """The study of one configuration."""
    name = arm or study.baseline or next(iter(study.arms))
    if name not in study.arms:
        raise unknown_name("arm", name, study.arms)
    return dataclasses.replace(
        study,
        arms={AS_GIVEN: study.arms[name]},
        seeds=1,
        horizon=study.horizons_by_arm[name],
        baseline=None,
        design="seeds",
        order_seeds=None,
        forks=None,
        fork_step=None,
        theory=None,
    )


def _pilot(study: Study, platform: str, data_dir: str | None) -> _Pilot:
    concrete = expand(study, platform, data_dir=data_dir, is_quiet=False)
    group = concrete.programs[0]
    if group.event != "break":
        raise InputError(
            f"dataset={group.spec.arm.dataset} waits for an event of its own: there is no plateau to explain"
        )
    data = group.spec.data
    factors = factors_of(concrete.arms[AS_GIVEN], has_examples(data))
    return _Pilot(concrete, _without_equals(factors), has_constant_inputs(data))


def _without_equals(factors: Factors) -> Factors:
    """Without arms that another one is already."""
    first: dict[Arm, str] = {}
    arms, skipped = {}, dict(factors.skipped)
    for name, factor in factors.arms.items():
        other = first.setdefault(resolve_arm(factor.arm), name)
        if other == name:
            arms[name] = factor
        else:
            skipped[name] = f"it is the same as {other}"
    return Factors(arms, skipped)


def _known(workdir: str | os.PathLike[str], pilot: _Pilot, asked: _Asked) -> tuple[float | None, Budget] | None:
    """Minutes and budget of the diagnosis that a work directory holds, or `None`.

    Raises:
        InputError: they are not those that were asked for.
    """
    found = store.find_existing(as_path(workdir))
    record = None if found is None else read_record(found.document)
    if found is None:
        return None
    if record is None:
        raise InputError(
            f"work directory {str(workdir)!r} holds another study, which is no diagnosis: choose a new --workdir"
        )
    seeds = found.document["study"]["seeds"][AS_GIVEN]
    horizon = found.document["identity"]["horizons"][AS_GIVEN]
    for name, value, known in (
        ("seeds", asked.seeds, seeds),
        ("horizon", pilot.horizon if asked.is_horizon_fixed else None, horizon),
    ):
        if value is not None and value != known:
            raise InputError(
                f"{name}={value}: the diagnosis in {str(workdir)!r} has {known}; to go on with it "
                f"leave --{name} out, or give another --workdir"
            )
    if asked.minutes not in (None, record.minutes):
        note(f"minutes={asked.minutes:g} choose nothing: this diagnosis is gone on with as it is")
    return record.minutes, Budget(seeds, horizon, record.budget)


def _costs(pilot: _Pilot, available: devices.Devices, num_workers: int, cache_dir: str, began: float) -> Costs:
    """What training the configuration costs here, measured."""
    spec = pilot.plan.programs[0].spec
    cost = workers.call(available, cache_dir, tuning.step_cost, spec, memory_limit(1))
    arms = [resolve_arm(factor.arm) for factor in pilot.factors.arms.values()]
    return Costs(
        seconds_per_step=cost.seconds_per_step,
        start_seconds=cost.start_seconds,
        spent_seconds=time.monotonic() - began,
        num_workers=max(1, num_workers),
        num_arms=len(arms),
        num_structures=len({_structure(arm) for arm in arms}),
    )


def _structure(arm: Arm) -> tuple[Any, ...]:
    return tuple(structure(arm).values())
