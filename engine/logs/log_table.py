"""What a log holds before anything is made of it: named columns, row by row."""

import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from .log_files import LogFile

# What writers put where a value is missing.
MISSING = ("", "NA", "N/A", "null", "NULL", "None", "none", "-")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_LONGEST_SHOWN = 40


class NoCurveError(InputError):
    """A file that can be read but holds nothing that looks like a loss curve."""


class LogTable(NamedTuple):
    """The content of one log.

    Attributes:
        origin: the file, or for event files the folder.
        columns: by name, each `[num_rows]`; null where nothing was logged.
        first_row: number of the first row as people count; `row_word` is what messages call a row.
        notes: what was unusual about the file.
        has_epochs: whether every row is an epoch, although no column says so.
    """

    origin: LogFile
    format: str
    columns: dict[str, pa.Array]
    first_row: int = 1
    notes: tuple[str, ...] = ()
    row_word: str = "row"
    has_epochs: bool = False

    @property
    def source(self) -> str:
        """The path of the file or folder."""
        return str(self.origin.path)

    def where(self, row: int) -> str:
        """Names the place of a row, counted from 0, for messages."""
        return f"{self.source}, {self.row_word} {self.first_row + row}"


class Numbers(NamedTuple):
    """A column of numbers, and whether each was logged at all; both `[num_rows]`."""

    values: np.ndarray
    is_given: np.ndarray


def numbers_of(table: LogTable, name: str) -> Numbers:
    """Returns a column as numbers, finite or not; raises `InputError` if a cell holds something else."""
    column = table.columns[name]
    if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
        raise InputError(f"{table.source}: column {name!r} holds {column.type}s: expected numbers")
    is_given = pc.is_valid(column).to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _parse_numbers(table, name, is_given)
    values = pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan)
    return Numbers(values.to_numpy(zero_copy_only=False), is_given)


def _parse_numbers(table: LogTable, name: str, is_given: np.ndarray) -> Numbers:
    """Parses a column of text, which a column is in which any cell is not a number."""
    values = np.full(len(is_given), np.nan)
    cells = table.columns[name].to_pylist()
    for row in np.flatnonzero(is_given).tolist():
        text = cells[row].strip()
        if text in MISSING:
            is_given[row] = False
            continue
        try:
            # Python's own underscores are not numbers of a log.
            values[row] = float(text.replace("_", "x"))
        except ValueError:
            hint = "; for decimal commas give --decimal=," if _DECIMAL_COMMA.fullmatch(text) else ""
            if text == name:
                hint = ", not the header again; where another run begins, begin another file"
            raise InputError(f"{table.where(row)}: {name!r} is {shown(text)}: expected a number{hint}") from None
    return Numbers(values, is_given)


def labels_of(table: LogTable, names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Returns the index of each row's label, `[num_rows]`, and the labels in the order of appearance.

    A label is the values of the columns `names`, joined by commas.
    """
    codes, labels = np.zeros(max(map(len, table.columns.values()), default=0), np.int64), [""]
    for i, name in enumerate(names):
        column = table.columns[name].dictionary_encode()
        words = [*map(_as_label, column.dictionary.to_pylist()), ""]
        own = pc.fill_null(column.indices, len(words) - 1).to_numpy(zero_copy_only=False)
        codes, pairs = unique_codes(codes * len(words) + own)
        separator = "," if i else ""
        labels = [f"{labels[pair // len(words)]}{separator}{words[pair % len(words)]}" for pair in pairs]
    return codes, labels


def unique_codes(values: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Returns the index of each value among the distinct ones, and these in the order of appearance."""
    distinct, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[codes], distinct[order].tolist()


def _as_label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def shown(text: str) -> str:
    """Returns text from a file, quoted and shortened."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
