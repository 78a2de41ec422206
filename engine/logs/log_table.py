"""What a log holds before anything is made of it: named columns, row by row."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InputError

# Words that writers put where a value is missing; an empty cell is one too.
MISSING = ("", "NA", "N/A", "null", "NULL", "None", "none", "-")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_LONGEST_SHOWN = 40


class NoCurveError(InputError):
    """A file that can be read, but in which nothing looks like a loss curve."""


class Table(NamedTuple):
    """The content of one log.

    Attributes:
        source: the file or folder, as people know it.
        format: in words.
        columns: by name, each `[num_rows]`; null where nothing was logged.
        first_row: the number that a person counts for its first row.
        notes: what was unusual about it, in words.
        place: names the run that it belongs to, unless a column does.
        arm: the group of runs that it was given for, or `None`.
        row_word: what a row is.
        has_epochs: whether every row is an epoch, where no column says so.
    """

    source: str
    format: str
    columns: dict[str, pa.Array]
    first_row: int = 1
    notes: tuple[str, ...] = ()
    place: str = ""
    arm: str | None = None
    row_word: str = "row"
    has_epochs: bool = False

    @property
    def num_rows(self) -> int:
        """Rows, without the header."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def where(self, row: int) -> str:
        """A row, counted from 0, as people find it."""
        return f"{self.source}, {self.row_word} {self.first_row + row}"


class Numbers(NamedTuple):
    """A column of numbers, and which of them were logged at all; both `[num_rows]`."""

    values: np.ndarray
    is_given: np.ndarray


def numbers_of(table: Table, name: str) -> Numbers:
    """A column as numbers; what is not finite stays so, what is missing is not given.

    Raises:
        InputError: a cell holds something else, with its row.
    """
    column = table.columns[name]
    if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
        raise InputError(f"{table.source}: column {name!r} holds {column.type}s: expected numbers")
    is_given = pc.is_valid(column).to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _from_text(table, name, is_given)
    if pa.types.is_null(column.type):
        return Numbers(np.full(len(column), np.nan), is_given)
    values = pc.cast(column, pa.float64(), safe=False)
    return Numbers(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False), is_given)


def _from_text(table: Table, name: str, is_given: np.ndarray) -> Numbers:
    """Numbers that were written as text, as a column is in which any cell is no number."""
    values = np.full(len(is_given), np.nan)
    cells = table.columns[name].to_pylist()
    for row in np.flatnonzero(is_given):
        text = cells[row].strip()
        if text in MISSING:
            is_given[row] = False
            continue
        try:
            values[row] = float(text.replace("_", "x"))
        except ValueError:
            is_comma = _DECIMAL_COMMA.fullmatch(text) is not None
            hint = "; for decimal commas give --decimal=," if is_comma else ""
            if text == name:
                hint = ", not the header again; where another run begins, begin another file"
            raise InputError(f"{table.where(int(row))}: {name!r} is {shown(text)}: expected a number{hint}") from None
    return Numbers(values, is_given)


def labels_of(table: Table, names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """`(code of each row, [num_rows]; the labels)`, in order of appearance, of some columns.

    Args:
        table: the log.
        names: of columns; values of several are joined by a comma.
    """
    codes, labels = np.zeros(table.num_rows, np.int64), [""]
    for i, name in enumerate(names):
        column = table.columns[name].dictionary_encode()
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        own = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        words = [_as_label(value) for value in column.dictionary.to_pylist()]
        words.append("")
        own = np.where(own < 0, len(words) - 1, own)
        pairs = codes * len(words) + own
        used, first, codes = np.unique(pairs, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        codes = rank[codes]
        joined = [f"{labels[pair // len(words)]}{',' if i else ''}{words[pair % len(words)]}" for pair in used.tolist()]
        labels = [joined[i] for i in np.argsort(first)]
    return codes, labels


def _as_label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def shown(text: str) -> str:
    """Text from a file, quoted and short."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


def from_cells(cells: Sequence[Any]) -> pa.Array:
    """A column of values of any kind: of numbers where all are numbers, else of text."""
    kinds = set(map(type, cells)) - {type(None)}
    if kinds <= {float}:
        return pa.array(cells, pa.float64())
    if kinds <= {float, int}:
        return pa.array([None if v is None else _float(v) for v in cells], pa.float64())
    return pa.array([None if v is None else _text(v) for v in cells], pa.string())


def _text(value: Any) -> str:
    """A value as text that UTF-8 can hold."""
    return str(value).encode(errors="replace").decode()


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
