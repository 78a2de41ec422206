"""`diagnose`: why a configuration waits and what to change, by a designed study around it."""

import dataclasses
import math
import os
import time
from typing import Any, NamedTuple

from engine import devices, plan, store, tuning, workers
from engine.commands.progress import note
from engine.commands.results import Results
from engine.commands.run import default_cache_dir, find_workers, run
from engine.config import Arm, structure
from engine.diagnosis.budget import Budget, Costs, choose, precision
from engine.diagnosis.factors import AS_GIVEN, Factors, factors_of
from engine.diagnosis.record import read_record, record_of
from engine.diagnostics.measuring import STEPS_AHEAD
from engine.errors import InputError, unknown_name
from engine.plan import Plan
from engine.study import MAX_SEEDS, Study, check_whole, resolve_arm
from engine.tasks.controls import has_examples

MINUTES = 10.0
# What the decision table, and who reads it, want to see inside the runs: the cheap ones.
_DIAGNOSTICS = ("norms", "epsilon", "dead", "spread", "outputs")
_QUESTION = "Why does it wait, and what should be changed?"


class _Pilot(NamedTuple):
    """The configuration made concrete."""

    plan: Plan
    factors: Factors


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
    **options: Any,
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
        InputError: as `engine.run`; also where the minutes do not buy what was asked for, or the
            task has an event of its own, and so no plateau to explain.
    """
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"minutes={minutes}: expected a positive number")
    check_whole("seeds", seeds, 1, MAX_SEEDS)
    began = time.monotonic()
    cache = str(cache_dir or default_cache_dir())
    one = _around(study, arm)
    available, number = find_workers(num_workers)
    pilot = _pilot(one, available.platform, data_dir)
    if minutes is None and not (seeds is not None and is_horizon_fixed):
        minutes = MINUTES
    known = _known(workdir)
    if known is not None:
        minutes, budget = known
    elif minutes is None:
        assert seeds is not None
        budget = Budget(seeds, pilot.plan.horizons[AS_GIVEN], [precision(seeds)])
    else:
        costs = _costs(pilot, available, number, cache, began)
        asked = pilot.plan.horizons[AS_GIVEN]
        budget = choose(minutes, costs, asked, is_horizon_fixed, seeds)
    for line in budget.words:
        note(line)
    for name, reason in pilot.factors.skipped.items():
        note(f"without {name}: {reason}")
    designed = dataclasses.replace(
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
        diagnosis=record_of(pilot.factors, minutes, budget.words),
    )
    return run(
        designed, workdir, num_workers=num_workers, data_dir=data_dir, cache_dir=cache, **options
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
    concrete = plan.make_plan(study, platform, None, None, data_dir, is_quiet=False)
    group = concrete.groups[0]
    if group.event != "break":
        raise InputError(
            f"dataset={group.spec.arm.dataset} waits for an event of its own: there is no plateau "
            f"to explain"
        )
    return _Pilot(concrete, factors_of(concrete.arms[AS_GIVEN], has_examples(group.spec.data)))


def _known(workdir: str | os.PathLike[str]) -> tuple[float | None, Budget] | None:
    """Minutes and budget of the diagnosis that a work directory holds, or `None`."""
    found = store.find_existing(store.as_path(workdir))
    if found is None or "diagnosis" not in found.document.get("study", {}):
        return None
    record = read_record(found.document["study"]["diagnosis"])
    seeds = found.document["study"].get("seeds", {}).get(AS_GIVEN)
    horizon = found.document["identity"].get("horizons", {}).get(AS_GIVEN)
    if seeds is None or horizon is None:
        raise InputError(f"the diagnosis in {str(workdir)!r} has no arm {AS_GIVEN!r}")
    return record.minutes, Budget(seeds, horizon, record.budget)


def _costs(
    pilot: _Pilot, available: devices.Devices, num_workers: int, cache_dir: str, began: float
) -> Costs:
    """What training the configuration costs here, measured."""
    spec = pilot.plan.groups[0].spec
    cost = workers.call(available, cache_dir, tuning.step_cost, spec, devices.memory_limit(1))
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
