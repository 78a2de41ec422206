"""The curves of many runs as arrays."""

from typing import NamedTuple

import numpy as np

from engine.errors import InputError
from engine.store.run_table import RunTable
from engine.studies.designs import FIRST_GRID_SEED


class MetricCurves(NamedTuple):
    """A metric of every repetition of an arm, on the steps that any of them was measured at.

    A run that was not measured at a step has NaN there: it had diverged, was stopped once its
    outcome was clear, or was inspected at other steps.

    Attributes:
        steps: of training that lie behind each point, `[num_points]`.
        values: float32, `[num_seeds, num_points]`.
        seed: of each row, increasing, `[num_seeds]`.
    """

    steps: np.ndarray
    values: np.ndarray
    seed: np.ndarray


class GridCurves(NamedTuple):
    """A metric of every run of an arm's crossed grid, as in `MetricCurves`.

    Attributes:
        steps: `[num_points]`.
        values: `[num_runs, num_points]`.
        init_seed: of each row, `[num_runs]`.
        order: number of its common data order, `[num_runs]`.
    """

    steps: np.ndarray
    values: np.ndarray
    init_seed: np.ndarray
    order: np.ndarray


def read_arm_curves(table: RunTable, arm: str, metric: str = "loss") -> MetricCurves:
    """Reads the curves of the repetitions of an arm that have an outcome.

    Args:
        table: of the study.
        arm: its name.
        metric: one of `CURVE_STEPS`.

    Raises:
        InputError: there is no such arm or metric, or no finished run has it.
    """
    rows = np.flatnonzero(table.is_of(arm) & table.is_repetition & table.has_outcome)
    steps, values = _aligned(table, arm, metric, rows)
    return MetricCurves(steps, values, table.seed[rows])


def read_grid_curves(table: RunTable, arm: str, metric: str = "loss") -> GridCurves:
    """Reads the curves of the crossed grid of an arm, of the runs that have an outcome.

    Raises:
        InputError: as `read_arm_curves`.
    """
    is_fork = table.outcomes["fork_step"].is_valid().to_numpy()
    rows = np.flatnonzero(table.is_of(arm) & ~table.is_repetition & ~is_fork & table.has_outcome)
    steps, values = _aligned(table, arm, metric, rows)
    columns = table.columns(rows)
    order = np.asarray(columns["order_seed"], np.int64) - FIRST_GRID_SEED
    return GridCurves(steps, values, np.asarray(columns["init_seed"], np.int64), order)


def _aligned(table: RunTable, arm: str, metric: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps of all curves together, and the values of each run there."""
    chosen = np.zeros(len(table), bool)
    chosen[rows] = True
    found = list(table.curves(metric, chosen))
    if not len(rows):
        raise InputError(f"no finished run of {arm!r} in {str(table.directory.path)!r} yet")
    if not found:
        raise InputError(f"no finished run of {arm!r} has a curve of {metric}")
    steps = union_of([curve.steps for curve in found])
    values = np.full((len(rows), len(steps)), np.nan, np.float32)
    for curve in found:
        values[np.searchsorted(rows, curve.row), np.searchsorted(steps, curve.steps)] = curve.values
    return steps, values


def union_of(steps: list[np.ndarray]) -> np.ndarray:
    """Returns the steps of many runs, most of which have the same, without duplicates and increasing."""
    distinct = {own.tobytes(): own for own in steps}
    return np.unique(np.concatenate(list(distinct.values())))
