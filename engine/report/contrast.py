"""Two studies against each other, arm by arm."""

from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.errors import InputError, unknown_name
from engine.report.arm_runs import ArmRuns, of_study, read_runs
from engine.report.group_comparison import compare_runs
from engine.report.horizon import at_horizon
from engine.statistics import Estimate, TestResult
from engine.store import WorkDirectory, is_of_logs
from engine.store.run_table import RunTable

# People give the chance loss to some digits, or as a number of classes that are nearly balanced.
_SAME_CHANCE = 0.005
_SAME_HORIZON = 1e-9


class Contrast(NamedTuple):
    """An arm of one study against an arm of another; times are in `unit`.

    Attributes:
        arm, baseline: names of the arms.
        unit: `epochs`, or `steps` where one of the two has no epochs.
        horizon: up to which means are compared, the shorter of both.
        num_runs: runs with an outcome, of both.
        num_failed: runs without one, of both; they and their partners are left out.
        num_pairs: runs that share all their seeds.
        fractions: share of runs that had the event by then, of both.
        medians: of the waiting time, of both.
        difference: of means up to the horizon; negative is earlier than the baseline.
        test: of equal incidence, see `engine.report.group_comparison`.
        p_holm: p-value of the test, adjusted for the number of contrasts.
    """

    arm: str
    baseline: str
    unit: str
    horizon: float
    num_runs: tuple[int, int]
    num_failed: tuple[int, int]
    num_pairs: int
    fractions: tuple[Estimate, Estimate]
    medians: tuple[Estimate, Estimate]
    difference: Estimate
    test: TestResult
    p_holm: float


class _Side(NamedTuple):
    """An arm of one of the two studies."""

    table: RunTable
    runs: ArmRuns

    @property
    def document(self) -> dict[str, Any]:
        return self.table.directory.document


def contrast_studies(
    own: WorkDirectory, base: WorkDirectory, arm: str | None, baseline_arm: str | None
) -> list[Contrast]:
    """Compares every arm that both studies have, or one arm of each.

    Args:
        own, base: the studies.
        arm, baseline_arm: compare these two only. One that is left out is the arm of the same
            name, or the only arm of its study.

    Raises:
        InputError: the studies do not measure the same thing, with the reason, or share no arm.
    """
    tables = RunTable(own), RunTable(base)
    runs, base_runs = (read_runs(table) for table in tables)
    for directory, found in ((own, runs), (base, base_runs)):
        if not found:
            raise InputError(f"no finished run in {str(directory.path)!r} yet")
    sides = [
        (_Side(tables[0], runs[name]), _Side(tables[1], base_runs[base_name]))
        for name, base_name in _pairs(runs, base_runs, arm, baseline_arm)
    ]
    for pair in sides:
        _refuse_different_questions(*pair)
    with of_study(own):
        differences = [_compare(*pair) for pair in sides]
        adjusted = statistics.holm(np.array([c["test"].p_value for c in differences]))
    return [Contrast(**c, p_holm=float(p)) for c, p in zip(differences, adjusted, strict=True)]


def _pairs(
    runs: dict[str, ArmRuns], base: dict[str, ArmRuns], arm: str | None, baseline_arm: str | None
) -> list[tuple[str, str]]:
    for name, there in ((arm, runs), (baseline_arm, base)):
        if name is not None and name not in there:
            raise unknown_name("arm", name, there)
    if arm is None and baseline_arm is None:
        shared = [name for name in runs if name in base]
        if shared:
            return [(name, name) for name in shared]
        if len(runs) == len(base) == 1:
            return [(next(iter(runs)), next(iter(base)))]
        raise InputError(
            f"the studies share no arm: choose --arm among {', '.join(runs)} and --baseline_arm among {', '.join(base)}"
        )
    own_name = arm or _counterpart(str(baseline_arm), runs, "arm")
    return [(own_name, baseline_arm or _counterpart(own_name, base, "baseline_arm"))]


def _counterpart(name: str, there: dict[str, ArmRuns], flag: str) -> str:
    if name in there:
        return name
    if len(there) == 1:
        return next(iter(there))
    raise InputError(f"choose --{flag} among {', '.join(there)}")


def _refuse_different_questions(own: _Side, base: _Side) -> None:
    """Refuses to compare waiting times that wait for different things."""
    detectors = [side.document["identity"]["detector"] for side in (own, base)]
    what: dict[str, tuple[Any, Any]] = {
        "event": (own.runs.waits_for, base.runs.waits_for),
        **_measured_on(own, base),
        **{f"detector.{name}": (value, detectors[1].get(name)) for name, value in detectors[0].items()},
    }
    for name, (value, base_value) in what.items():
        if value != base_value:
            raise InputError(
                f"“{own.runs.name}” and “{base.runs.name}” do not measure the same thing: {name} is "
                f"{_short(value)} in one study and {_short(base_value)} in the other"
            )


def _measured_on(own: _Side, base: _Side) -> dict[str, tuple[Any, Any]]:
    """Returns what says that both have the same data; for logs only the loss of guessing."""
    if is_of_logs(own.document) or is_of_logs(base.document):
        losses = (own.runs.chance_loss, base.runs.chance_loss)
        is_same = abs(losses[0] - losses[1]) <= _SAME_CHANCE * max(losses)
        return {} if is_same else {"chance loss": losses}
    first, second = (side.document["identity"]["data"][side.runs.name] for side in (own, base))
    return {"data": (first, second)}


def _short(value: Any) -> str:
    return value[:12] + "…" if isinstance(value, str) and len(value) > 12 else str(value)


def _compare(own: _Side, base: _Side) -> dict[str, Any]:
    """Returns the fields of a `Contrast`, of both arms as they are at the shorter of their horizons."""
    sides = (own, base)
    has_epochs = all(side.runs.steps_per_epoch for side in sides)
    own_unit, base_unit = (float(side.runs.steps_per_epoch or 1) if has_epochs else 1.0 for side in sides)
    horizon = min(own.runs.horizon / own_unit, base.runs.horizon / base_unit)
    runs, base_runs = (_cut(side, horizon, u) for side, u in zip(sides, (own_unit, base_unit), strict=True))
    labels, failed = (np.arange(len(runs.seed)), -1 - base_runs.seed), set[int]()
    if _have_one_source(own, base):
        labels, failed = _labels(runs, base_runs)
    difference = compare_runs(runs, base_runs, (own_unit, base_unit), labels, failed)
    return {
        "arm": runs.name,
        "baseline": base_runs.name,
        "unit": "epochs" if has_epochs else "steps",
        "horizon": difference.horizon,
        "num_runs": (len(runs.seed), len(base_runs.seed)),
        "num_failed": (runs.num_failed, base_runs.num_failed),
        "num_pairs": difference.num_pairs,
        "fractions": (_fraction(own, runs), _fraction(base, base_runs)),
        "medians": (
            statistics.median_time(runs.time / own_unit, runs.event),
            statistics.median_time(base_runs.time / base_unit, base_runs.event),
        ),
        "difference": difference.value,
        "test": difference.test,
    }


def _cut(side: _Side, horizon: float, unit: float) -> ArmRuns:
    is_longer = side.runs.horizon / unit > horizon * (1 + _SAME_HORIZON)
    return at_horizon(side.table, side.runs, horizon * unit) if is_longer else side.runs


def _have_one_source(own: _Side, base: _Side) -> bool:
    """Tells whether equal seeds mean equal random streams in both studies."""
    if is_of_logs(own.document) or is_of_logs(base.document):
        return False
    return bool(own.document["identity"]["root_seed"] == base.document["identity"]["root_seed"])


def _fraction(side: _Side, runs: ArmRuns) -> Estimate:
    exact = statistics.confidence_sequence if "looks" in side.document else statistics.proportion
    return exact(int(np.sum(runs.event == 1)), len(runs.event))


def _labels(runs: ArmRuns, base: ArmRuns) -> tuple[tuple[np.ndarray, np.ndarray], set[int]]:
    """Numbers the runs, so that those with all seeds in common have one number.

    Returns:
        The numbers of the runs of both arms, and those of the runs that failed.
    """
    numbers: dict[tuple[int, ...], int] = {}
    own, other, *failed = (
        np.array([numbers.setdefault(key, len(numbers)) for key in _keys(rows)], int)
        for rows in (runs.rows, base.rows, runs.failed, base.failed)
    )
    return (own, other), set(np.concatenate(failed).tolist())


def _keys(rows: dict[str, list[Any]]) -> list[tuple[int, ...]]:
    return list(zip(*(rows[f"{role}_seed"] for role in ("init", "order", "noise")), strict=True))
