"""Every arm of a study against its baseline."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.report.arm_runs import ArmRuns
from engine.report.group_comparison import Difference, compare_runs, pooled
from engine.statistics import LEVEL, Estimate, TestResult


class Comparison(NamedTuple):
    """One arm against the baseline.

    Attributes:
        difference: of restricted means up to the common horizon, in the study's unit; negative
            is earlier than the baseline. Paired if `is_paired`.
        horizon: of that difference.
        test: of equal incidence, see `engine.report.group_comparison`.
        p_adjusted: for the number of arms compared, by Holm; or, where the study is looked at
            repeatedly, of a safe test that holds at every look, by Bonferroni.
        is_earlier: earlier beyond chance, in the unit and in steps.
        is_later: later beyond chance, in the unit and in steps.
        num_pairs: seeds that have an outcome in both arms.
        is_paired: whether no other seed has an outcome.
        changed: fields in which the arms differ, with (baseline's value, own value).
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

    Args:
        runs: by arm.
        baseline: name of the arm.
        units: steps in one unit of time, by arm.
        fields: of the arms.
        has_looks: whether p-values must hold at every look.
        is_of_logs: whether the runs were read from logs.
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
        pairs = {
            field: (fields[baseline].get(field), fields[own.name].get(field))
            for field in {**fields[baseline], **fields[own.name]}
        }
        found[own.name] = Comparison(
            difference=in_unit.value,
            horizon=in_unit.horizon,
            test=in_unit.test,
            p_adjusted=p,
            is_earlier=bool(max(in_unit.value.upper, in_steps.value.upper) < 0 and p < LEVEL),
            is_later=bool(min(in_unit.value.lower, in_steps.value.lower) > 0 and p < LEVEL),
            num_pairs=in_unit.num_pairs,
            is_paired=in_unit.is_paired,
            changed={field: pair for field, pair in pairs.items() if pair[0] != pair[1]},
        )
    return found


def _compare(
    own: ArmRuns, base: ArmRuns, units: Mapping[str, float], is_of_logs: bool
) -> tuple[Difference, Difference]:
    """Compares an arm with the baseline in the study's unit, and in steps."""
    # Equal numbers of logged runs are equal places in the logs, and nothing that the runs share.
    labels = (own.seed, -1 - base.seed if is_of_logs else base.seed)
    failed = {*own.failed["seed"], *base.failed["seed"]}
    in_unit = compare_runs(own, base, (units[own.name], units[base.name]), labels, failed)
    return in_unit, compare_runs(own, base, (1.0, 1.0), labels, failed)


def _always_valid(own: ArmRuns, base: ArmRuns, units: Mapping[str, float]) -> float:
    """Returns a p-value that holds at every look, with pairs of equal seeds as strata."""
    steps_per_unit = units[own.name], units[base.name]
    horizons = own.horizon / steps_per_unit[0], base.horizon / steps_per_unit[1]
    times, events, group = pooled(own, base, steps_per_unit, horizons)
    return statistics.safe_log_rank(times, events, group, strata=np.concatenate([own.seed, base.seed])).p_value
