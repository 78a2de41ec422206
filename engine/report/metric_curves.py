"""The curves of an arm as arrays."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InputError, unknown_name
from engine.outcomes import FAILED
from engine.outcomes.row import CURVE_STEPS
from engine.store import WorkDirectory
from engine.studies.designs import FIRST_GRID_SEED


class MetricCurves(NamedTuple):
    """A metric of every repetition of an arm, on the steps that any of them was measured at.

    A run that was not measured at a step has NaN there: it had diverged, was stopped once its
    outcome was clear, or was inspected at other steps.

    Attributes:
        steps: of training that lie behind each point, `[num_points]`.
        values: as they are stored, in float32, `[num_seeds, num_points]`.
        seed: of each row, increasing, `[num_seeds]`.
    """

    steps: np.ndarray
    values: np.ndarray
    seed: np.ndarray


class GridCurves(NamedTuple):
    """A metric of every run of an arm's crossed grid, as in `MetricCurves`.

    Attributes:
        steps: shape `[num_points]`.
        values: shape `[num_runs, num_points]`.
        init_seed: of each row, `[num_runs]`.
        order: number of its common data order, `[num_runs]`.
    """

    steps: np.ndarray
    values: np.ndarray
    init_seed: np.ndarray
    order: np.ndarray


def read_arm_curves(directory: WorkDirectory, arm: str, metric: str = "loss") -> MetricCurves:
    """The curves of the repetitions of an arm; runs of a grid, forks and failed runs are left out.

    Args:
        directory: of the study.
        arm: its name.
        metric: one of `CURVE_STEPS`.

    Raises:
        InputError: there is no such arm or metric, or no finished run has it.
    """
    steps, values, keys = _aligned(directory, arm, metric, is_grid=False)
    return MetricCurves(steps, values, keys[:, 0])


def read_grid_curves(directory: WorkDirectory, arm: str, metric: str = "loss") -> GridCurves:
    """The curves of the crossed grid of an arm; failed runs are left out.

    Args:
        directory: of the study.
        arm: its name.
        metric: one of `CURVE_STEPS`.

    Raises:
        InputError: as `read_arm_curves`.
    """
    steps, values, keys = _aligned(directory, arm, metric, is_grid=True)
    return GridCurves(steps, values, keys[:, 0], keys[:, 1] - FIRST_GRID_SEED)


def _aligned(
    directory: WorkDirectory, arm: str, metric: str, *, is_grid: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, values, and the init and order seed of each row, which they are sorted by."""
    if arm not in directory.document["arm_order"]:
        raise unknown_name("arm", arm, directory.document["arm_order"])
    if metric not in CURVE_STEPS:
        raise unknown_name("metric", metric, CURVE_STEPS)
    found = dict(_curves_by_seeds(directory, arm, metric, is_grid=is_grid))
    if not found:
        raise InputError(f"no finished run of {arm!r} in {str(directory.path)!r} yet")
    if all(values is None for _, values in found.values()):
        raise InputError(f"no finished run of {arm!r} has a curve of {metric}")
    keys = sorted(found)
    distinct = {steps.tobytes(): steps for steps, _ in found.values()}
    steps = np.unique(np.concatenate(list(distinct.values())))
    places = {key: np.searchsorted(steps, own) for key, own in distinct.items()}
    values = np.full((len(keys), len(steps)), np.nan, np.float32)
    for row, key in enumerate(keys):
        own_steps, own = found[key]
        if own is not None:
            values[row, places[own_steps.tobytes()]] = own
    return steps, values, np.asarray(keys, np.int64)


def _curves_by_seeds(
    directory: WorkDirectory, arm: str, metric: str, *, is_grid: bool
) -> Iterator[tuple[tuple[int, int], tuple[np.ndarray, np.ndarray | None]]]:
    """Seed and order seed, steps and values of every run with an outcome, part by part."""
    steps_column = CURVE_STEPS[metric]
    curves = [metric] if steps_column is None else [steps_column, metric]
    for table in directory.iterate(["arm", "seed", "order_seed", "fork_step", "status", *curves]):
        of_arm = table.filter(rows_of(table, arm, is_grid=is_grid))
        seeds = zip(of_arm["seed"].to_pylist(), of_arm["order_seed"].to_pylist(), strict=True)
        for i, key in enumerate(seeds):
            values = of_arm[metric][i].values
            own = None if values is None else values.to_numpy()
            if steps_column is not None:
                steps = of_arm[steps_column][i].values
                steps = np.empty(0, np.int64) if steps is None or own is None else steps.to_numpy()
            else:
                steps = np.arange(0 if own is None else len(own))
            yield key, (steps, own)


def rows_of(table: pa.Table, arm: str, *, is_grid: bool = False) -> pa.ChunkedArray:
    """Which rows are repetitions of an arm, or runs of its grid, that have an outcome."""
    is_whole = pc.and_(pc.equal(table["arm"], arm), pc.not_equal(table["status"], FAILED))
    is_repetition = pc.less(table["order_seed"], FIRST_GRID_SEED)
    is_meant = pc.invert(is_repetition) if is_grid else is_repetition
    return pc.and_(is_whole, pc.and_(is_meant, pc.is_null(table["fork_step"])))
