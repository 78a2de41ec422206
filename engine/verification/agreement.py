"""One stored row against the row of the same run, done again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.lanes.runs import Run
from engine.store import OUTCOME_SCHEMA, ROW_SCHEMA

# Losses this far apart, as a share of the chance loss, are close.
CLOSE = 1e-3


class StoredRow(NamedTuple):
    """A row as it is on disk.

    Attributes:
        table: of one row, with the columns of `ROW_SCHEMA`.
        absent: columns that the release which wrote it did not have.
    """

    table: pa.Table
    absent: frozenset[str]


class Agreement(NamedTuple):
    """How far a stored run and the same run done again agree. Steps count from 0.

    Attributes:
        run: which.
        differing: columns whose bits differ.
        skipped: columns that are not stored, and so were not compared.
        num_points, num_batches: of the stored curve, and of the stored losses of mini-batches.
        loss_from: step of the first point at which the loss curves differ, or one of them ends;
            `None` where they are the same to the end.
        batches_from: the first mini-batch whose losses differ, or `None`.
        close_until: step of the last point up to which all losses are within `CLOSE` of each other.
        last_step: of the points that both curves have.
        most_apart: largest difference of the losses at these points.
        stored, again: the columns of `OUTCOME_SCHEMA`.
    """

    run: Run
    differing: tuple[str, ...]
    skipped: tuple[str, ...]
    num_points: int
    num_batches: int
    loss_from: int | None
    batches_from: int | None
    close_until: int | None
    last_step: int | None
    most_apart: float
    stored: dict[str, Any]
    again: dict[str, Any]

    @property
    def is_identical(self) -> bool:
        """Whether every bit of every column that is stored is the same."""
        return not self.differing

    @property
    def first_step(self) -> int:
        """Of the first difference in a curve; 0 where there is none in the two of the loss."""
        first = [step for step in (self.loss_from, self.batches_from) if step is not None]
        return min(first, default=0)

    @property
    def has_same_status(self) -> bool:
        """Whether the same came of both."""
        return bool(self.stored["status"] == self.again["status"])


def compare_rows(run: Run, stored: StoredRow, row: Mapping[str, Any]) -> Agreement:
    """Compares every column bit by bit, and the loss curves point by point.

    Args:
        run: that both are of.
        stored: its row on disk.
        row: of the run done again, see `engine.lanes.to_row`.
    """
    own = stored.table
    again = pa.table({name: [row.get(name)] for name in ROW_SCHEMA.names}, schema=ROW_SCHEMA)
    unlike = [n for n in ROW_SCHEMA.names if _bits(own[n][0]) != _bits(again[n][0])]
    loss, loss_again = _numbers(own, "loss"), _numbers(again, "loss")
    steps = _common(_numbers(own, "steps"), _numbers(again, "steps"))
    num_common = min(len(steps), len(loss), len(loss_again))
    apart = _apart(loss[:num_common], loss_again[:num_common])
    close = np.flatnonzero(apart > CLOSE * abs(row["chance_loss"]))
    num_close = int(close[0]) if len(close) else num_common
    longer = max((own, again), key=lambda table: len(_numbers(table, "steps")))
    loss_from = _first_difference(loss, loss_again)
    return Agreement(
        run=run,
        differing=tuple(name for name in unlike if name not in stored.absent),
        skipped=tuple(name for name in unlike if name in stored.absent),
        num_points=len(loss),
        num_batches=len(_numbers(own, "batch_loss")),
        loss_from=None if loss_from is None else _at(_numbers(longer, "steps"), loss_from),
        batches_from=_first_difference(*(_numbers(t, "batch_loss") for t in (own, again))),
        close_until=_at(steps, num_close - 1) if num_close else None,
        last_step=_at(steps, num_common - 1) if num_common else None,
        most_apart=float(apart.max(initial=0.0)),
        stored=own.select(OUTCOME_SCHEMA.names).to_pylist()[0],
        again=again.select(OUTCOME_SCHEMA.names).to_pylist()[0],
    )


def _bits(value: pa.Scalar) -> Any:
    """What is equal where, and only where, every bit is: NaN is itself, and 0 is not −0."""
    if not value.is_valid:
        return None
    if pa.types.is_list(value.type):
        return _array_bits(value.values)
    return _array_bits(pa.array([value.as_py()], value.type))


def _array_bits(array: pa.Array) -> Any:
    if pa.types.is_struct(array.type):
        return array.is_valid().to_pylist(), [_array_bits(part) for part in array.flatten()]
    if pa.types.is_list(array.type):
        return pc.list_value_length(array).to_pylist(), _array_bits(array.flatten())
    if not pa.types.is_floating(array.type):
        return array.to_pylist()
    filled = array.fill_null(0.0) if array.null_count else array
    return array.is_valid().to_pylist(), filled.to_numpy(zero_copy_only=False).tobytes()


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """A list column of a table of one row; NaN where a number is missing, empty without a list."""
    value = table[name][0]
    if not value.is_valid:
        return np.zeros(0, table.schema.field(name).type.value_type.to_pandas_dtype())
    return value.values.to_numpy(zero_copy_only=False)


def _common(steps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The steps up to the first one that differs."""
    num = min(len(steps), len(others))
    unlike = np.flatnonzero(steps[:num] != others[:num])
    return steps[: int(unlike[0]) if len(unlike) else num]


def _first_difference(values: np.ndarray, others: np.ndarray) -> int | None:
    """Where two arrays of float32 first differ in a bit, or one of them ends; `None` nowhere."""
    num = min(len(values), len(others))
    bits, other_bits = (np.asarray(v[:num], np.float32).view(np.uint32) for v in (values, others))
    unlike = np.flatnonzero(bits != other_bits)
    if len(unlike):
        return int(unlike[0])
    return None if len(values) == len(others) else num


def _apart(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances; 0 where both are the same number or both NaN, infinite where one is not finite."""
    same = (values == others) | (np.isnan(values) & np.isnan(others))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(values.astype(np.float64) - others.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))


def _at(steps: np.ndarray, index: int) -> int | None:
    """The step at an index, where there is one that can be read."""
    in_range = 0 <= index < len(steps) and np.isfinite(steps[index])
    return int(steps[index]) if in_range else None
