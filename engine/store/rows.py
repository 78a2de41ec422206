"""Checks that rows are ones that a study can have: their seeds, outcomes and curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..outcomes import FAILED, STATUSES, event_code
from ..outcomes.row import CURVE_STEPS, MAX_SEED
from ..studies.designs import MAX_SEEDS
from .files import DamagedError

# A run whose worker was killed by it again and again; it has no curve and is censored at once.
_STOP_REASONS = ("horizon", "diverged", "hit", "settled", FAILED)
_SEEDS = {"seed": MAX_SEEDS - 1, **dict.fromkeys(("init_seed", "order_seed", "noise_seed"), MAX_SEED)}
# Times, which lie within the run, and numbers that only need to be some.
_TIMES = ("onset_step", "onset_lower", "onset_upper", "half_step", "hitting_step", "fork_step")
_NUMBERS = ("num_breaks", "chance_loss")
# Curves with the column of their steps.
_CURVES = {
    axis: [name for name, of in CURVE_STEPS.items() if of == axis] for axis in CURVE_STEPS.values() if axis is not None
}
_NEEDED_CURVES = ("steps", "loss")
_LARGEST = 1e300
# A width is eight times the shortest time for a tenth of the rise.
_MOST_WIDTH = 16


def check_rows(table: pa.Table, document: Mapping[str, Any]) -> None:
    """Checks every row of a table with the columns of `ROW_SCHEMA`.

    Raises:
        DamagedError: a row is not one that this study can have.
    """
    horizon = _horizons(table["arm"], document)
    for name, most in _SEEDS.items():
        _check_range(table, name, most, is_needed=True)
    _check_range(table, "fork_order_seed", MAX_SEED)
    if pc.any(pc.xor(pc.is_null(table["fork_step"]), pc.is_null(table["fork_order_seed"]))).as_py():
        raise DamagedError("a fork without its step or its order")
    is_failed = _check_statuses(table)
    _check_range(table, "steps_run", horizon, is_needed=True)
    for name in _TIMES:
        _check_range(table, name, horizon)
    for name in _NUMBERS:
        _check_range(table, name, _LARGEST)
    _check_range(table, "width_steps", _MOST_WIDTH * horizon.astype(np.float64))
    for steps, curves in _CURVES.items():
        _check_steps(table, steps, horizon)
        for name in curves:
            _check_same_length(table, name, steps)
    for name in _NEEDED_CURVES:
        if np.any((_lengths(table, name) == 0) & ~is_failed):
            raise DamagedError("a run without its curve")
    _check_steps(table, "diagnostics_steps", horizon)
    _check_series(table)
    if np.any(_lengths(table, "batch_loss") > horizon) or pc.list_flatten(table["batch_loss"]).null_count:
        raise DamagedError("batch_loss: more values than steps")


def _horizons(arms: pa.ChunkedArray, document: Mapping[str, Any]) -> np.ndarray:
    """Returns the horizon of every row, in steps."""
    index = pc.index_in(arms, pa.array(document["arm_order"], pa.string()))
    if index.null_count:
        raise DamagedError("an arm that the study does not have")
    horizons = document["identity"]["horizons"]
    by_arm = np.asarray([horizons[name] for name in document["arm_order"]], np.int64)
    return by_arm[np.asarray(index)]


def _check_statuses(table: pa.Table) -> np.ndarray:
    """Checks statuses and events, and returns which runs failed."""
    index = pc.index_in(table["status"], pa.array([*STATUSES, FAILED], pa.string()))
    if index.null_count:
        raise DamagedError("a status that does not exist")
    codes = np.asarray([*map(event_code, STATUSES), 0], np.int64)
    event = table["event"]
    if event.null_count or np.any(np.asarray(event) != codes[np.asarray(index)]):
        raise DamagedError("an event that does not go with its status")
    reasons = pa.array([*_STOP_REASONS, None], pa.string())
    if not pc.all(pc.is_in(table["stop_reason"], reasons), min_count=0).as_py():
        raise DamagedError("a stop_reason that does not exist")
    return np.equal(index, len(STATUSES))


def _check_range(table: pa.Table, name: str, most: float | np.ndarray, is_needed: bool = False) -> None:
    """Checks that the numbers of a column lie from 0 on; a missing one is null, and NaN is no number."""
    column = table[name]
    if is_needed and column.null_count:
        raise DamagedError(f"{name}: missing")
    values = np.asarray(pc.fill_null(column, pa.scalar(0, column.type)))
    if not np.all((values >= 0) & (values <= most)):
        raise DamagedError(f"{name}: out of range")


def _check_steps(table: pa.Table, name: str, horizon: np.ndarray) -> None:
    """Checks that the steps of every curve increase, from 0 on and within the horizon."""
    lengths, values = _lengths(table, name), pc.list_flatten(table[name])
    if values.null_count:
        raise DamagedError(f"{name}: missing values")
    steps = np.asarray(values)
    is_rising = np.diff(steps) > 0
    ends = np.cumsum(lengths)
    is_rising[ends[(ends > 0) & (ends < len(steps))] - 1] = True
    if not np.all(is_rising) or (len(steps) and steps.min() < 0):
        raise DamagedError(f"{name}: not increasing")
    has_some = lengths > 0
    if np.any(steps[ends[has_some] - 1] > horizon[has_some]):
        raise DamagedError(f"{name}: beyond the horizon")


def _check_same_length(table: pa.Table, name: str, steps: str) -> None:
    if np.any((_lengths(table, name) != _lengths(table, steps)) & np.asarray(pc.is_valid(table[name]))):
        raise DamagedError(f"{name}: not as long as {steps}")
    if pc.list_flatten(table[name]).null_count:
        raise DamagedError(f"{name}: missing values")


def _check_series(table: pa.Table) -> None:
    """Checks that diagnostics have names, and values at every time or at none."""
    column = table["diagnostics"].combine_chunks()
    series = pc.list_flatten(column)
    names, values = (pc.struct_field(series, name) for name in ("name", "values"))
    if series.null_count or names.null_count:
        raise DamagedError("diagnostics: a series without a name")
    times = pa.array(_lengths(table, "diagnostics_steps"))
    expected = pc.take(times, pc.list_parent_indices(column))
    is_right = pc.fill_null(pc.equal(pc.list_value_length(values), expected), True)
    if not pc.all(is_right, min_count=0).as_py():
        raise DamagedError("diagnostics: not as long as diagnostics_steps")


def _lengths(table: pa.Table, name: str) -> np.ndarray:
    """Returns the length of each list of a column, 0 where there is none."""
    return np.asarray(pc.fill_null(pc.list_value_length(table[name]), 0))
