"""One group of runs against another, and every arm of a study against its baseline."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import statistics
from ..statistics import LEVEL, Estimate, TestResult
from .arm_runs import ArmRuns

# Below this many runs χ² rejects too often, see benchmarks/COVERAGE.md.
_FEW_RUNS, _NUM_PERMUTATIONS = 30, 999


class Difference(NamedTuple):
    """One group of runs against a baseline.

    Attributes:
        horizon: the shorter of both, in the unit.
        difference: of restricted means up to it, of pairs if `is_paired`; negative is earlier than the baseline.
        test: of equal incidence. A run that diverged stays at risk to the horizon, exact while all censoring is there.
        num_pairs, is_paired: how many labels are in both groups, and whether all are.
    """

    horizon: float
    difference: Estimate
    test: TestResult
    num_pairs: int
    is_paired: bool


def compare_runs(
    own: ArmRuns,
    base: ArmRuns,
    steps_per_unit: tuple[float, float],
    labels: tuple[np.ndarray, np.ndarray],
    failed: Collection[int] = (),
) -> Difference:
    """Compares two groups by a log-rank test with pairs as strata, or by Gray's test if there are no pairs.

    Args:
        labels: of the runs of both; equal ones share their random streams.
        failed: labels of failed runs of either group; the other run of the pair is left out.
    """
    kept = [~np.isin(label, list(failed)) for label in labels]
    if np.intersect1d(*labels).size:
        own, base = (
            runs._replace(seed=runs.seed[chosen], time=runs.time[chosen], event=runs.event[chosen])
            for runs, chosen in zip((own, base), kept, strict=True)
        )
        labels = (labels[0][kept[0]], labels[1][kept[1]])
    time, base_time = own.time / steps_per_unit[0], base.time / steps_per_unit[1]
    horizon = min(own.horizon / steps_per_unit[0], base.horizon / steps_per_unit[1])
    times, events, group = _pooled(own, base, steps_per_unit, (horizon, horizon))
    num_pairs = len(np.intersect1d(*labels))
    if num_pairs:
        test = statistics.log_rank(times, events, group, np.concatenate(labels))
    else:
        num_permutations = _NUM_PERMUTATIONS if min(len(time), len(base_time)) < _FEW_RUNS else 0
        test = statistics.gray_test(times, events, group, num_permutations=num_permutations)
    is_paired = 1 < num_pairs == len(time) == len(base_time)
    if is_paired:
        first, second = (np.argsort(label) for label in labels)
        difference = statistics.paired_difference(
            time[first], own.event[first], base_time[second], base.event[second], horizon
        )
    else:
        difference = statistics.restricted_mean_difference(time, own.event, base_time, base.event, horizon)
    return Difference(horizon, difference, test, num_pairs, is_paired)


def _pooled(
    own: ArmRuns, base: ArmRuns, steps_per_unit: tuple[float, float], horizons: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pools times, events (0 or 1) and groups (1 own, 0 baseline) of all runs; those that diverged stay at risk."""
    times, events = [], []
    for runs, unit, horizon in zip((own, base), steps_per_unit, horizons, strict=True):
        time = runs.time / unit
        times.append(np.where(runs.event == 2, horizon, np.minimum(time, horizon)))
        events.append((runs.event == 1) & (time <= horizon))
    group = np.repeat([1, 0], [len(own.seed), len(base.seed)])
    return np.concatenate(times), np.concatenate(events).astype(int), group


class Comparison(NamedTuple):
    """One arm against the baseline, see `Difference`, in the study's unit.

    Attributes:
        p_adjusted: of `test`, by Holm; with looks, of a safe test that holds at every look, by Bonferroni.
        is_earlier, is_later: beyond chance, both in the unit and in steps.
        changed: (baseline's value, own value) of every field in which the arms differ.
    """

    difference: Estimate
    horizon: float
    test: TestResult
    p_adjusted: float
    is_earlier: bool
    is_later: bool
    num_pairs: int
    is_paired: bool
    changed: dict[str, tuple[Any, Any]]


def compare_arms(
    runs: Mapping[str, ArmRuns],
    baseline: str,
    units: Mapping[str, float],
    fields: Mapping[str, Mapping[str, Any]],
    has_looks: bool,
    is_of_logs: bool,
) -> dict[str, Comparison]:
    """Compares every arm that waits for the same event as the baseline with it.

    With looks, p-values hold at each of them; `units` are the steps in one unit of time, by arm.
    """
    base = runs[baseline]
    others = [own for own in runs.values() if own is not base and own.waits_for == base.waits_for]
    if not others:
        return {}
    compared = [_compare(own, base, units, is_of_logs) for own in others]
    if has_looks:
        adjusted = [min(1.0, len(others) * _always_valid(own, base, units)) for own in others]
    else:
        adjusted = statistics.holm(np.array([in_unit.test.p_value for in_unit, _ in compared])).tolist()
    found = {}
    for own, (in_unit, in_steps), p in zip(others, compared, adjusted, strict=True):
        before, after = fields[baseline], fields[own.name]
        pairs = {field: (before.get(field), after.get(field)) for field in {**before, **after}}
        found[own.name] = Comparison(
            **in_unit._asdict(),
            p_adjusted=p,
            is_earlier=bool(max(in_unit.difference.upper, in_steps.difference.upper) < 0 and p < LEVEL),
            is_later=bool(min(in_unit.difference.lower, in_steps.difference.lower) > 0 and p < LEVEL),
            changed={field: pair for field, pair in pairs.items() if pair[0] != pair[1]},
        )
    return found


def _compare(
    own: ArmRuns, base: ArmRuns, units: Mapping[str, float], is_of_logs: bool
) -> tuple[Difference, Difference]:
    # Equal numbers of logged runs are equal places in the logs, and nothing that the runs share.
    labels = (own.seed, -1 - base.seed if is_of_logs else base.seed)
    failed = {*own.failed["seed"], *base.failed["seed"]}
    in_unit = compare_runs(own, base, (units[own.name], units[base.name]), labels, failed)
    has_one_unit = units[own.name] == units[base.name]
    return in_unit, in_unit if has_one_unit else compare_runs(own, base, (1.0, 1.0), labels, failed)


def _always_valid(own: ArmRuns, base: ArmRuns, units: Mapping[str, float]) -> float:
    """Returns a p-value that holds at every look, with pairs of equal seeds as strata."""
    steps_per_unit = units[own.name], units[base.name]
    horizons = own.horizon / steps_per_unit[0], base.horizon / steps_per_unit[1]
    times, events, group = _pooled(own, base, steps_per_unit, horizons)
    return statistics.safe_log_rank(times, events, group, strata=np.concatenate([own.seed, base.seed])).p_value
