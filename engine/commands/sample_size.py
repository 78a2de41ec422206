"""`plan`: how many seeds a question needs, and what they would cost."""

from typing import Any, NamedTuple

import numpy as np

from .. import statistics, store
from ..errors import InputError, counted, unknown_name
from ..lanes import tuning
from ..lanes.memory import memory_limit
from ..report.arm_runs import ArmRuns, read_runs
from ..statistics import SeedsNeeded
from ..store.run_table import RunTable
from ..studies.designs import runs_per_seed
from ..studies.expand import expand
from ..studies.study import Study
from ..user_code import Place, as_path
from ..workers import devices, processes
from .running.options import RunOptions

_QUESTIONS: dict[str, Any] = {
    "fraction": statistics.FractionQuestion,
    "failure": statistics.FailureQuestion,
    "median": statistics.MedianQuestion,
    "comparison": statistics.ComparisonQuestion,
}
# Numbers that a pilot study supplies where they are not given.
_FROM_PILOT = ("fraction", "log_deviation", "event_share")


class Cost(NamedTuple):
    """Steps of one seed in all arms, the rate of all workers together, and where these were measured, in words."""

    steps: float
    num_arms: int
    steps_per_second: float
    source: str


class SeedPlan(NamedTuple):
    """Seeds that a question needs, and seconds, or `None` where no cost was measured."""

    needed: SeedsNeeded
    seconds: float | None


def plan(
    question: str,
    numbers: dict[str, float],
    pilot: Place | None = None,
    study: Study | None = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
) -> SeedPlan:
    """Prints how many seeds a question needs and how long they would take; writes no study.

    `numbers` are fields of the question, see `engine.statistics.seeds_needed`. A pilot, a study that has run, supplies
    those that are not given, and the cost; without it the cost of `study` is measured here. Raises `InputError`: the
    question is unknown, a number is missing, has no effect or is out of range.
    """
    if question not in _QUESTIONS:
        raise unknown_name("question", question, _QUESTIONS)
    fields = _QUESTIONS[question]._fields
    directory = None if pilot is None else store.open_existing(as_path(pilot))
    runs = {} if directory is None else read_runs(RunTable(directory))
    if directory is not None and not runs:
        raise InputError(f"no finished run in {str(directory.path)!r} yet: a pilot needs some")
    given = {name: value for name, value in numbers.items() if value is not None}
    for name in given:
        if name not in fields:
            raise InputError(f"{name} has no effect with question={question}: it takes {', '.join(fields)}")
    if runs:
        learned = _learned_from(runs)
        if learned["fraction"] == 0 and question in ("median", "comparison"):
            raise InputError(
                f"no run of the pilot has had the event, so it says nothing for question={question}: give a longer "
                f"pilot, or none"
            )
        given = {**{name: learned[name] for name in _FROM_PILOT if name in fields and name in learned}, **given}
    needed = _needed(question, given)
    cost = None
    if directory is not None:
        cost = _cost_of_pilot(directory, runs)
    elif study is not None:
        cost = _cost_here(study, data_dir, RunOptions(cache_dir=cache_dir).cache)
    if cost is not None and question == "comparison" and cost.num_arms == 1:
        cost = cost._replace(steps=2 * cost.steps, num_arms=2)
    seconds = None if cost is None else needed.seeds * cost.steps / cost.steps_per_second
    _print(question, given, needed, cost, seconds)
    return SeedPlan(needed, seconds)


def _needed(question: str, given: dict[str, float]) -> SeedsNeeded:
    kind = _QUESTIONS[question]
    missing = [name for name in kind._fields if name not in kind._field_defaults and name not in given]
    if missing:
        hint = ", or --pilot" if missing[0] in _FROM_PILOT else ""
        raise InputError(f"question={question} needs --{missing[0]}{hint}")
    try:
        return statistics.seeds_needed(kind(**given))
    except ValueError as error:
        raise InputError(f"question={question}: {error}") from None


def _learned_from(runs: dict[str, ArmRuns]) -> dict[str, float]:
    """Estimates numbers from all arms together, as far as the runs allow."""
    event = np.concatenate([arm.event for arm in runs.values()])
    share = float(np.mean(event == 1))
    times = [arm.time[arm.event == 1] for arm in runs.values()]
    spread = max((float(np.std(np.log(np.maximum(time, 1.0)), ddof=1)) for time in times if len(time) > 2), default=0.0)
    learned = {"event_share": share, "log_deviation": spread}
    return {"fraction": share, **{name: value for name, value in learned.items() if value > 0}}


def _cost_of_pilot(directory: store.WorkDirectory, runs: dict[str, ArmRuns]) -> Cost | None:
    document = directory.document
    timed = [one for one in document["launches"] if one.get("seed_steps") and one.get("seconds")]
    if not timed:
        return None
    rate = sum(one["seed_steps"] for one in timed) / sum(one["seconds"] for one in timed)
    identity, forks = document["identity"], document["study"]["forks"]
    number = runs_per_seed(identity["order_seeds"], forks)
    steps = number * sum(float(np.mean(arm.rows["steps_run"])) for arm in runs.values())
    return Cost(steps, len(runs), rate, f"measured in {directory.path.name}, start-up included")


def _cost_here(study: Study, data_dir: str | None, cache_dir: str) -> Cost:
    available = devices.find_devices()
    concrete = expand(study, available.platform, data_dir=data_dir)
    steps, seconds = sum(concrete.horizons.values()), 0.0
    for group in concrete.programs:
        per_step = processes.call(available, cache_dir, tuning.step_cost, group.spec, memory_limit(1)).seconds_per_step
        seconds += per_step * sum(concrete.horizons[name] for name in group.arm_names)
    rate = steps / seconds * available.num_devices
    steps *= runs_per_seed(study.order_seeds, study.forks)
    where = f"{counted(available.num_devices, 'worker')} on {available.platform}"
    return Cost(steps, len(concrete.arms), rate, f"measured now for {where}, to the horizon, start-up aside")


def _print(question: str, given: dict[str, Any], needed: SeedsNeeded, cost: Cost | None, seconds: float | None) -> None:
    shown = ", ".join(f"{name}={value:.3g}" for name, value in given.items())
    print(f"question={question} ({shown}): {counted(needed.seeds, 'seed')} of every arm")
    if needed.events is not None:
        print(f"  that is {counted(needed.events, 'event')} over both arms")
    if cost is None or seconds is None:
        print("  time: give --pilot=DIR of a study that has run, or --experiment=NAME")
        return
    print(
        f"  time: about {_duration(seconds)} ({cost.steps:,.0f} steps for a seed of {counted(cost.num_arms, 'arm')} at "
        f"{cost.steps_per_second:,.0f} steps/s, {cost.source})"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
