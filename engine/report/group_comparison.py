"""One group of runs against another: how much later, and whether that can be chance."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from engine import statistics
from engine.report.arm_runs import ArmRuns
from engine.statistics import Estimate, TestResult

# Below this many runs χ² rejects too often, see benchmarks/COVERAGE.md.
_FEW_RUNS = 30
_NUM_PERMUTATIONS = 999


class Difference(NamedTuple):
    """One group of runs against a baseline.

    Attributes:
        horizon: the shorter of both, in the unit.
        value: difference of restricted means up to it; negative is earlier than the baseline.
        test: of equal incidence. A run that diverged stays at risk up to the horizon, which is
            exact while all censoring is there.
        num_pairs: labels that are in both groups.
        is_paired: whether all labels are in both groups; then `value` is a paired difference.
    """

    horizon: float
    value: Estimate
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

    Gray's p-value comes from permutations if a group has fewer than thirty runs.

    Args:
        own, base: the groups.
        steps_per_unit: of both.
        labels: of the runs of both; equal ones share their random streams.
        failed: labels of failed runs of either group; the other run of the pair is left out.
    """
    kept = [~np.isin(label, list(failed)) for label in labels]
    if np.intersect1d(*labels).size:
        own, base = (_only(runs, chosen) for runs, chosen in zip((own, base), kept, strict=True))
        labels = (labels[0][kept[0]], labels[1][kept[1]])
    time, base_time = own.time / steps_per_unit[0], base.time / steps_per_unit[1]
    horizon = min(own.horizon / steps_per_unit[0], base.horizon / steps_per_unit[1])
    times, events, group = pooled(own, base, steps_per_unit, (horizon, horizon))
    num_pairs = len(np.intersect1d(*labels))
    if num_pairs:
        test = statistics.log_rank(times, events, group, np.concatenate(labels))
    else:
        is_small = min(len(time), len(base_time)) < _FEW_RUNS
        num_permutations = _NUM_PERMUTATIONS if is_small else 0
        test = statistics.gray_test(times, events, group, num_permutations=num_permutations)
    is_paired = 1 < num_pairs == len(time) == len(base_time)
    if is_paired:
        first, second = (np.argsort(label) for label in labels)
        value = statistics.paired_difference(
            time[first], own.event[first], base_time[second], base.event[second], horizon
        )
    else:
        value = statistics.restricted_mean_difference(time, own.event, base_time, base.event, horizon)
    return Difference(horizon, value, test, num_pairs, is_paired)


def _only(runs: ArmRuns, chosen: np.ndarray) -> ArmRuns:
    return runs._replace(seed=runs.seed[chosen], time=runs.time[chosen], event=runs.event[chosen])


def pooled(
    own: ArmRuns, base: ArmRuns, steps_per_unit: tuple[float, float], horizons: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pools two groups for tests of the incidence.

    Args:
        own, base: the groups.
        steps_per_unit: of both.
        horizons: of both, in the unit; a run that diverged stays at risk to that of its group.

    Returns:
        Times, events (0 or 1) and groups (1 own, 0 baseline) of all runs.
    """
    times, events = [], []
    for runs, unit, horizon in zip((own, base), steps_per_unit, horizons, strict=True):
        time = runs.time / unit
        times.append(np.where(runs.event == 2, horizon, np.minimum(time, horizon)))
        events.append((runs.event == 1) & (time <= horizon))
    group = np.repeat([1, 0], [len(own.seed), len(base.seed)])
    return np.concatenate(times), np.concatenate(events).astype(int), group
