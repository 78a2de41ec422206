"""Whether rows can be those of a study: who they are, what came of them, and their curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.outcomes import FAILED, STATUSES, event_code
from engine.store.files import DamagedError

# A run whose worker was killed by it again and again; it has no curve and is censored at once.
_STOP_REASONS = ("horizon", "diverged", "hit", "settled", FAILED)
_MAX_SEED = 2**32 - 1
_MAX_REPETITION = 10**7 - 1
_SEEDS = {
    "seed": _MAX_REPETITION,
    "init_seed": _MAX_SEED,
    "order_seed": _MAX_SEED,
    "noise_seed": _MAX_SEED,
    "fork_order_seed": _MAX_SEED,
}
_OPTIONAL_SEEDS = ("fork_order_seed",)
# Times, which lie within the run, and numbers that only need to be some.
_TIMES = ("onset_step", "onset_lower", "onset_upper", "half_step", "hitting_step", "fork_step")
_NUMBERS = ("num_breaks", "chance_loss")
# Curves with the column of their steps.
_CURVES = {"steps": ("loss", "accuracy"), "inspected_steps": ("held_out_loss", "held_out_accuracy", "average_loss")}
_NEEDED_CURVES = ("steps", "loss")
_LARGEST = 1e300
# A width is eight times the shortest time for a tenth of the rise.
_MOST_WIDTH = 16


def check_rows(table: pa.Table, document: Mapping[str, Any]) -> None:
    """Checks every row.

    Args:
        table: with the columns of `ROW_SCHEMA`.
        document: of the study.

    Raises:
        DamagedError: a row is not one that this study can have.
    """
    horizon = _horizons(table["arm"], document)
    for name, most in _SEEDS.items():
        _check_range(table, name, 0, most, is_needed=name not in _OPTIONAL_SEEDS)
    if pc.any(pc.xor(pc.is_null(table["fork_step"]), pc.is_null(table["fork_order_seed"]))).as_py():
        raise DamagedError("a fork without its step or its order")
    is_failed = _check_statuses(table)
    _check_range(table, "steps_run", 0, horizon)
    for name in _TIMES:
        _check_range(table, name, 0, horizon, is_needed=False)
    for name in _NUMBERS:
        _check_range(table, name, 0, _LARGEST, is_needed=False)
    _check_range(table, "width_steps", 0, _MOST_WIDTH * horizon.astype(np.float64), is_needed=False)
    for steps, curves in _CURVES.items():
        _check_steps(table, steps, horizon)
        for name in curves:
            _check_same_length(table, name, steps)
    for name in _NEEDED_CURVES:
        is_empty = pc.equal(pc.fill_null(pc.list_value_length(table[name]), 0), 0)
        if np.any(_numpy(is_empty) & ~is_failed):
            raise DamagedError("a run without its curve")
    _check_steps(table, "diagnostics_steps", horizon)
    _check_series(table)
    lengths = pc.fill_null(pc.list_value_length(table["batch_loss"]), 0)
    if np.any(_numpy(lengths) > horizon) or _values(table, "batch_loss").null_count:
        raise DamagedError("batch_loss: more values than steps")


def _horizons(arms: pa.ChunkedArray, document: Mapping[str, Any]) -> np.ndarray:
    """The horizon of every row."""
    order = pa.array(document["arm_order"], pa.string())
    index = pc.index_in(arms, order)
    if index.null_count:
        raise DamagedError("an arm that the study does not have")
    horizons = document["identity"]["horizons"]
    by_arm = np.asarray([horizons[name] for name in document["arm_order"]], np.int64)
    return by_arm[_numpy(index)]


def _check_statuses(table: pa.Table) -> np.ndarray:
    """Checks what came of the runs; which of them failed."""
    statuses = (*(name for name in STATUSES if name != FAILED), FAILED)
    index = pc.index_in(table["status"], pa.array(statuses, pa.string()))
    if index.null_count:
        raise DamagedError("a status that does not exist")
    codes = [0 if name == FAILED else event_code(name) for name in statuses]
    expected = np.asarray(codes, np.int64)[_numpy(index)]
    event = table["event"]
    if event.null_count or np.any(_numpy(event) != expected):
        raise DamagedError("an event that does not go with its status")
    reasons = pa.array([*_STOP_REASONS, None], pa.string())
    if not pc.all(pc.is_in(table["stop_reason"], reasons)).as_py() and table.num_rows:
        raise DamagedError("a stop_reason that does not exist")
    is_failed: np.ndarray = _numpy(index) == len(statuses) - 1
    return is_failed


def _check_range(table: pa.Table, name: str, least: float, most: float | np.ndarray, is_needed: bool = True) -> None:
    """Checks the numbers of a column; a missing one is null, and NaN is no number."""
    column = table[name]
    if is_needed and column.null_count:
        raise DamagedError(f"{name}: missing")
    values = _numpy(pc.fill_null(column, pa.scalar(least, column.type)))
    if not np.all((values >= least) & (values <= most)):
        raise DamagedError(f"{name}: out of range")


def _check_steps(table: pa.Table, name: str, horizon: np.ndarray) -> None:
    """Checks that the steps of every curve increase, from 0 on and within the horizon."""
    lengths = _numpy(pc.fill_null(pc.list_value_length(table[name]), 0))
    values = _values(table, name)
    if values.null_count:
        raise DamagedError(f"{name}: missing values")
    steps = _numpy(values)
    is_rising = np.diff(steps) > 0
    ends = np.cumsum(lengths)
    is_rising[ends[(ends > 0) & (ends < len(steps))] - 1] = True
    if not np.all(is_rising) or (len(steps) and steps.min() < 0):
        raise DamagedError(f"{name}: not increasing")
    has_some = lengths > 0
    if np.any(steps[ends[has_some] - 1] > horizon[has_some]):
        raise DamagedError(f"{name}: beyond the horizon")


def _check_same_length(table: pa.Table, name: str, steps: str) -> None:
    column = table[name]
    own = pc.list_value_length(column)
    expected = pc.fill_null(pc.list_value_length(table[steps]), 0)
    if not pc.all(pc.fill_null(pc.equal(own, expected), True)).as_py() and table.num_rows:
        raise DamagedError(f"{name}: not as long as {steps}")
    if _values(table, name).null_count:
        raise DamagedError(f"{name}: missing values")


def _check_series(table: pa.Table) -> None:
    """Checks that diagnostics have names, and values at every time or at none."""
    column = table["diagnostics"].combine_chunks()
    series = pc.list_flatten(column)
    names, values = (pc.struct_field(series, name) for name in ("name", "values"))
    if series.null_count or names.null_count:
        raise DamagedError("diagnostics: a series without a name")
    times = pc.fill_null(pc.list_value_length(table["diagnostics_steps"]), 0).combine_chunks()
    expected = pc.take(times, pc.list_parent_indices(column))
    is_right = pc.fill_null(pc.equal(pc.list_value_length(values), expected), True)
    if not pc.all(is_right, min_count=0).as_py():
        raise DamagedError("diagnostics: not as long as diagnostics_steps")


def _values(table: pa.Table, name: str) -> pa.Array:
    """What all lists of a column hold, one after another."""
    return pc.list_flatten(table[name])


def _numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    values: np.ndarray = column.to_numpy()
    return values
