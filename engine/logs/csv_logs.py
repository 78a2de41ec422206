"""CSV and its relatives: any delimiter, decimal points or commas, with a header or without."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import InputError
from engine.logs.log_files import to_utf8
from engine.logs.log_table import MISSING, NoCurveError, Table, shown
from engine.logs.options import ReadOptions

_DELIMITERS = (",", ";", "\t", "|")
_MAX_COLUMNS = 100_000
# Lines that are looked at before the whole file is read.
_FIRST_LINES = 50
_FIRST_BYTES = 4 * 2**20
_BLOCK_BYTES = 16 * 2**20


def read_delimited(path: Path, content: bytes, options: ReadOptions) -> Table:
    """The table in a CSV file. An incomplete last line, of a run that still writes, is left out.

    Args:
        path: of the file, for messages.
        content: of the file.
        options: delimiter and decimal sign, where they are given.

    Raises:
        InputError: it is empty, has no columns, or a row has too many or too few cells.
    """
    content, notes = to_utf8(path, content)
    lines = content[:_FIRST_BYTES].decode(errors="replace").splitlines()[:_FIRST_LINES]
    num_blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if num_blank == len(lines):
        raise NoCurveError(f"{path}: empty: expected a header and rows of numbers")
    lines = lines[num_blank:]
    delimiter = (options.delimiter or _delimiter(lines)).replace("\\t", "\t")
    decimal = options.decimal or _decimal(lines, delimiter)
    if delimiter == decimal:
        raise InputError(f"{path}: {decimal!r} cannot both part cells and be a decimal sign")
    names, has_header = _header(path, lines[0], delimiter, decimal)
    if has_header and not any(line.strip() for line in lines[1:]):
        raise NoCurveError(f"{path}: a header and no rows")
    columns, short = _columns(path, content, names, num_blank + has_header, (delimiter, decimal))
    if short:
        notes = (*notes, f"{path}: the last line is incomplete and left out")
    kind = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV"}.get(delimiter, "CSV")
    if decimal == ",":
        kind += ", decimal commas"
    return Table(str(path), kind, columns, 1 + num_blank + has_header, notes)


def _delimiter(lines: list[str]) -> str:
    """The sign that parts the header, and the rows alike: the one that most often does."""
    header, rows = lines[0], [line for line in lines[1:] if line.strip()]

    def agreement(sign: str) -> tuple[int, int]:
        number = header.count(sign)
        return sum(row.count(sign) == number for row in rows) if number else -1, number

    return max(_DELIMITERS, key=agreement)


def _decimal(lines: list[str], delimiter: str) -> str:
    """A comma where it stands inside of numbers and no point does."""
    if delimiter == ",":
        return "."
    cells = [cell.strip(' "') for line in lines[1:] for cell in line.split(delimiter)]
    halves = [cell.split(",") for cell in cells if cell.count(",") == 1 and "." not in cell]
    has_commas = any(a.lstrip("+-").isdigit() and b[:1].isdigit() for a, b in halves)
    return "," if has_commas else "."


def _header(path: Path, line: str, delimiter: str, decimal: str) -> tuple[list[str], bool]:
    """Names of the columns; without a header they are called `column 1`, `column 2`, ….

    Returns:
        The names, and whether they were there.
    """
    cells = next(csv.reader(io.StringIO(line), delimiter=delimiter))
    if len(cells) > _MAX_COLUMNS:
        raise InputError(f"{path}: {len(cells)} columns, expected at most {_MAX_COLUMNS}")
    if all(_is_number(cell, decimal) for cell in cells):
        return [f"column {i + 1}" for i in range(len(cells))], False
    names = [cell.strip().removeprefix("#").strip() for cell in cells]
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {shown(twice)}: rename one of them")
    blank = 0
    for i, name in enumerate(names):
        if not name:
            names[i], blank = f"(column {i + 1})" if blank or i else "", blank + 1
    return names, True


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.strip().replace(decimal, "."))
    except ValueError:
        return False
    return True


def _columns(
    path: Path, content: bytes, names: list[str], num_skipped: int, signs: tuple[str, str]
) -> tuple[dict[str, pa.Array], bool]:
    """Every column, and whether an incomplete last line was left out.

    Args:
        path: of the file, for messages.
        content: of the file, in UTF-8.
        names: of the columns.
        num_skipped: lines before the first row.
        signs: delimiter and decimal sign.
    """
    bad: list[Any] = []

    def note(row: Any) -> str:
        bad.append(row)
        return "skip"

    try:
        table = _parse(content, names, num_skipped, signs, note)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise InputError(f"{path}: cannot be read as CSV: {reason}") from None
    if bad:
        last = content.rstrip(b"\r\n").rsplit(b"\n", 1)[-1].decode(errors="replace").strip("\r")
        is_cut = len(bad) == 1 and bad[0].text.strip("\r\n") == last
        if not is_cut or bad[0].actual_columns > bad[0].expected_columns:
            number = _line_of(content, bad[0].text, num_skipped)
            raise InputError(
                f"{path}, row {number}: {bad[0].actual_columns} cells, expected "
                f"{bad[0].expected_columns} as in the header"
            )
    columns = {name: table[i].combine_chunks() for i, name in enumerate(names)}
    return columns, bool(bad)


def _parse(content: bytes, names: list[str], num_skipped: int, signs: tuple[str, str], note: Any) -> pa.Table:
    from pyarrow import csv as arrow_csv

    delimiter, decimal = signs
    return arrow_csv.read_csv(
        pa.BufferReader(content),
        arrow_csv.ReadOptions(column_names=names, skip_rows=num_skipped, block_size=_BLOCK_BYTES, use_threads=True),
        arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note, ignore_empty_lines=True),
        arrow_csv.ConvertOptions(
            null_values=MISSING,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            decimal_point=decimal,
            true_values=[],
            false_values=[],
            timestamp_parsers=[],
        ),
    )


def _line_of(content: bytes, text: str, num_skipped: int) -> int:
    """The number of a line, counted from 1."""
    wanted = text.strip("\r\n").encode()
    for number, line in enumerate(content.split(b"\n")):
        if number >= num_skipped and line.strip(b"\r") == wanted:
            return number + 1
    return num_skipped + 1
