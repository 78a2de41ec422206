"""Makes numbers of the columns of a table."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError, counted, some_of
from .reading import Reading
from .table_files import Parts

_MOST_CATEGORIES = 64
_SECONDS_PER_DAY = 86_400.0
# What the index of a data frame is called in a file where it had no name.
_UNNAMED = ("", "Unnamed: 0", "__index_level_0__")


class _Column(NamedTuple):
    """What a column is made into, `[num, number]`: a number, or its categories; and where it is missing, `[num]`."""

    values: np.ndarray
    is_number: bool
    is_missing: np.ndarray

    def parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields inputs and whether each is a number to be scaled: the column, and where it is missing."""
        yield self.values, np.full(self.values.shape[1], self.is_number)
        if self.is_missing.any():
            yield self.is_missing[:, None].astype(np.float64), np.zeros(1, bool)


def numbers_of(
    table: pa.Table, names: Sequence[str], numbering: Collection[str], reading: Reading
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs `[num, number]`, in the order of the columns, and which of them are numbers to be scaled.

    Columns that say nothing are left out, and those of `numbering`, which tell the order of the rows.
    """
    taken: dict[str, _Column] = {}
    left = []
    for name in names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        found = "it numbers the rows" if name in numbering else _taken(column)
        if isinstance(found, str):
            left.append(f"{name!r} ({found})")
        else:
            taken[name] = found
    if left:
        reading.caution(f"{counted(len(left), 'column')} left out", left)
    if not taken:
        raise InputError("no column is left to predict from: expected numbers, truth values, dates or categories")
    categories = [name for name, column in taken.items() if not column.is_number]
    if categories:
        reading.tell(f"{counted(len(categories), 'column')} of text as categories: {some_of(categories, 5)}")
    filled = [name for name, column in taken.items() if column.is_missing.any()]
    if filled:
        words = counted(len(filled), "column")
        reading.caution(f"{words} with missing values, filled with the median and marked", filled)
    values, are_scaled = zip(*(part for column in taken.values() for part in column.parts()), strict=True)
    return np.concatenate(values, axis=1), np.concatenate(are_scaled)


def _taken(column: pa.ChunkedArray) -> _Column | str:
    """Returns what a column is made into, or why it cannot be taken."""
    is_missing = pc.is_null(column).to_numpy(zero_copy_only=False)
    if is_missing.all():
        return "empty"
    if is_text(column.type):
        kinds = sorted(set(column.drop_null().to_pylist()))
        if len(kinds) > _MOST_CATEGORIES:
            return f"{len(kinds):,} different texts"
        values = np.asarray(column.fill_null("").to_pylist(), dtype=str)
        one_hot = (values[:, None] == np.asarray(kinds)[None]) & ~is_missing[:, None]
        return _Column(one_hot.astype(np.float64), False, is_missing)
    if not (is_number(column.type) or _is_date(column.type)):
        return str(column.type)
    numbers = _as_numbers(column)
    is_missing = is_missing | ~np.isfinite(numbers)
    if is_missing.all():
        return "no finite number"
    return _Column(np.where(is_missing, np.median(numbers[~is_missing]), numbers)[:, None], True, is_missing)


def _as_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Returns numbers, and dates and times as days, in double precision; what is missing is not finite."""
    if _is_date(column.type):
        seconds = column.cast(pa.timestamp("s", tz=getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
        return np.asarray(seconds.cast(pa.float64()).to_numpy(), np.float64) / _SECONDS_PER_DAY
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def names_of_rows(parts: Parts) -> list[str]:
    """Returns the columns that number the rows of a part, or are a shuffled index without a name."""
    tables = [part for part in (parts.training, parts.held_out) if part is not None]
    found = []
    for name in parts.training.column_names:
        columns = [table[name] for table in tables if table.column_names.count(name) == 1]
        is_index = name in _UNNAMED and all(map(_are_distinct, columns))
        if columns and (is_index or all(map(_counts_rows, columns))):
            found.append(name)
    return found


def _counts_rows(column: pa.ChunkedArray) -> bool:
    """Tells whether whole numbers rise by one from row to row."""
    if not pa.types.is_integer(column.type) or column.null_count or len(column) < 3:
        return False
    return bool(np.all(np.diff(column.to_numpy()) == 1))


def _are_distinct(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) and len(pc.unique(column)) == len(column)


def is_text(kind: pa.DataType) -> bool:
    """Tells whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: pa.DataType) -> bool:
    """Tells whether a column holds numbers or truth values."""
    is_whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(is_whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_list(kind: pa.DataType) -> bool:
    """Tells whether a column holds a list for each row."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_image(kind: Any) -> bool:
    """Tells whether a column holds images, as files in bytes."""
    is_struct = pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}
    return bool(is_struct or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
