"""What was measured of many runs, as arrays."""

from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..store.run_table import RunTable
from ..studies.designs import FIRST_GRID_SEED
from ..training.probes.registry import WHOLE


class MetricCurves(NamedTuple):
    """A metric of every repetition of an arm, on the steps that any of them was measured at.

    Attributes:
        steps: of training that lie behind each point, `[num_points]`.
        values: float32, `[num_seeds, num_points]`; NaN where a run had diverged, was stopped, or was not inspected.
        seed: of each row, increasing, `[num_seeds]`.
    """

    steps: np.ndarray
    values: np.ndarray
    seed: np.ndarray


class GridCurves(NamedTuple):
    """A metric `[num_runs, num_points]` of an arm's crossed grid, and the start and data order of each run."""

    steps: np.ndarray
    values: np.ndarray
    init_seed: np.ndarray
    order: np.ndarray


def read_arm_curves(table: RunTable, arm: str, metric: str = "loss") -> MetricCurves:
    """Reads the curves of a metric (see `CURVE_STEPS`) of the repetitions of an arm that have an outcome."""
    rows = np.flatnonzero(table.is_of(arm) & table.is_repetition & table.has_outcome)
    steps, values = _aligned(table, arm, metric, rows)
    return MetricCurves(steps, values, table.seed[rows])


def read_grid_curves(table: RunTable, arm: str, metric: str = "loss") -> GridCurves:
    """Reads the curves of the crossed grid of an arm, of the runs that have an outcome."""
    is_fork = table.outcomes["fork_step"].is_valid().to_numpy()
    rows = np.flatnonzero(table.is_of(arm) & ~table.is_repetition & ~is_fork & table.has_outcome)
    steps, values = _aligned(table, arm, metric, rows)
    columns = table.columns(rows)
    order = np.asarray(columns["order_seed"], np.int64) - FIRST_GRID_SEED
    return GridCurves(steps, values, np.asarray(columns["init_seed"], np.int64), order)


def _aligned(table: RunTable, arm: str, metric: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.zeros(len(table), bool)
    chosen[rows] = True
    found = list(table.curves(metric, chosen))
    if not len(rows):
        raise InputError(f"no finished run of {arm!r} in {str(table.directory.path)!r} yet")
    if not found:
        raise InputError(f"no finished run of {arm!r} has a curve of {metric}")
    steps = _union_of([curve.steps for curve in found])
    values = np.full((len(rows), len(steps)), np.nan, np.float32)
    for curve in found:
        values[np.searchsorted(rows, curve.row), np.searchsorted(steps, curve.steps)] = curve.values
    return steps, values


def _union_of(steps: list[np.ndarray]) -> np.ndarray:
    # Most runs have the same steps.
    return np.unique(np.concatenate(list({own.tobytes(): own for own in steps}.values())))


class ArmProbes(NamedTuple):
    """What was measured of every repetition of an arm, see `engine.training.probes`.

    Attributes:
        steps: before which it was measured, `[num_points]`.
        values: by series and by layer or parameter array, `""` for the whole network; each
            `[num_seeds, num_points]`, NaN where a run was not measured or the value is not finite.
        absent: series that were asked for and do not exist for this arm.
    """

    steps: np.ndarray
    values: dict[str, dict[str, np.ndarray]]
    seed: np.ndarray
    absent: tuple[str, ...]


def read_arm_probes(table: RunTable, arm: str) -> ArmProbes:
    """Reads what was measured of the repetitions of an arm that have an outcome; refuses if nothing was."""
    found = find_arm_probes(table, arm)
    if found is None:
        raise InputError(
            f"no finished run of {arm!r} in {str(table.directory.path)!r} has diagnostics: they are "
            f"measured with --diagnostics=all"
        )
    return found


def find_arm_probes(table: RunTable, arm: str) -> ArmProbes | None:
    """Reads the same; None where nothing was measured."""
    chosen = table.is_of(arm) & table.is_repetition & table.has_outcome
    measured: dict[int, tuple[np.ndarray, Any]] = {}
    for rows, part in table.iterate(["diagnostics_steps", "diagnostics"], chosen):
        for row, steps, series in zip(rows.tolist(), *part.columns, strict=True):
            if steps.is_valid and series.is_valid:
                measured[row] = steps.values.to_numpy(), series
    if not measured:
        return None
    steps = _union_of([own for own, _ in measured.values()])
    values: dict[str, dict[str, np.ndarray]] = {}
    asked: dict[str, None] = {}
    for index, row in enumerate(sorted(measured)):
        own_steps, series = measured[row]
        places = np.searchsorted(steps, own_steps)
        for one in series:
            name, layer, own = one["name"].as_py(), one["layer"].as_py() or WHOLE, one["values"].values
            asked[name] = None
            if own is not None:
                layers = values.setdefault(name, {})
                if layer not in layers:
                    layers[layer] = np.full((len(measured), len(steps)), np.nan, np.float32)
                layers[layer][index, places] = own.to_numpy(zero_copy_only=False)
    absent = tuple(name for name in asked if name not in values)
    return ArmProbes(steps, values, table.seed[sorted(measured)], absent)
