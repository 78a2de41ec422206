"""Reads tables that are text: CSV and TSV, as spreadsheets and programs of several countries write them."""

import codecs
import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from .reading import Reading

_SAMPLE, _BLOCK = 2**16, 2**20
_UTF8 = "utf8"
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
# What stands for nothing in any column, and what does in a column of numbers, where it may also be a category.
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL"]
_MARKS = ("?", "-", "--", ".", "None", "none")
_WITH_COMMA = r"^[+-]?\d*,\d+$"
_DATES = ["%d.%m.%Y", "%Y/%m/%d"]


def read_csv(file: Path, reading: Reading) -> pa.Table:
    """Returns the table of a file whose delimiter, header, decimal sign and encoding are found; says what is unusual.

    Raises InputError, or what pyarrow does, where it is no table.
    """
    lines = _first_lines(file)
    if len(lines) < 2:
        raise InputError("the table has fewer than two lines: expected a header and rows")
    outside = _QUOTED.sub("", lines[0])
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=outside.count)
    names = _names_of(lines[:2], delimiter)
    if names is not None:
        reading.caution(f"no line with names of columns found: called {names[0]!r} to {names[-1]!r}")
    encoding = _encoding_of(file)
    if encoding != _UTF8:
        reading.caution("the file is not in UTF-8: read as Latin-1")
    table = _read(file, delimiter, names, ".", encoding)
    if delimiter == ";" and any(_all_match(column, _WITH_COMMA) for column in table.columns):
        reading.tell("numbers are written with a comma")
        table = _read(file, delimiter, names, ",", encoding)
    return _with_numbers(table)


def _encoding_of(file: Path) -> str:
    decoder = codecs.getincrementaldecoder(_UTF8)()
    with file.open("rb") as opened:
        try:
            while block := opened.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return _UTF8


def _first_lines(file: Path) -> list[str]:
    with file.open("rb") as opened:
        sample = opened.read(_SAMPLE).decode("utf-8-sig", errors="replace")
    return [line for line in sample.splitlines() if line.strip()]


def _names_of(lines: Sequence[str], delimiter: str) -> list[str] | None:
    """Returns names for the columns of a table whose first line is like its second; `None` where it has a header."""
    first, second = ([_is_number(cell) for cell in next(csv.reader([line], delimiter=delimiter))] for line in lines)
    return [f"column {i + 1}" for i in range(len(first))] if any(first) and first == second else None


def _read(file: Path, delimiter: str, names: list[str] | None, decimal: str, encoding: str) -> pa.Table:
    from pyarrow import csv as arrow_csv

    table = arrow_csv.read_csv(
        file,
        read_options=arrow_csv.ReadOptions(column_names=names, encoding=encoding),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            null_values=_MISSING,
            strings_can_be_null=True,
            decimal_point=decimal,
            timestamp_parsers=[arrow_csv.ISO8601, *_DATES],
        ),
    )
    # What Excel writes before the first name.
    return table.rename_columns([name.removeprefix("\ufeff").strip() for name in table.column_names])


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _all_match(column: pa.ChunkedArray, pattern: str) -> bool:
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return False
    return bool(pc.all(pc.match_substring_regex(column, pattern)).as_py())


def _with_numbers(table: pa.Table) -> pa.Table:
    """Returns a table in which columns of text that are numbers, but for marks of what is missing, are numbers."""
    for i, name in enumerate(table.column_names):
        column = table.column(i)
        if not pa.types.is_string(column.type):
            continue
        is_mark = pc.is_in(column, value_set=pa.array(_MARKS))
        rest = pc.if_else(is_mark, pa.scalar(None, pa.string()), column)
        if not pc.any(is_mark).as_py() or rest.null_count == len(rest):
            continue
        try:
            table = table.set_column(i, name, rest.cast(pa.float64()))
        except pa.ArrowInvalid:
            continue
    return table
