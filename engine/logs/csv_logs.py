"""CSV and its relatives: any delimiter, decimal points or commas, with a header or without."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..arms.options import Option
from ..errors import InputError
from .log_files import LogFile, to_utf8
from .log_table import MISSING, LogTable, NoCurveError, shown
from .options import ReadOptions

OPTIONS = (
    Option("delimiter", str, None, "character between the cells", part="none", unset="guessed"),
    Option("decimal", str, None, "sign in numbers, . or ,", part="none", unset="guessed"),
)
_DELIMITERS = (",", ";", "\t", "|")
_FORMATS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV"}
_MAX_COLUMNS = 100_000
# Lines that are looked at before the whole file is read.
_FIRST_LINES = 50
_FIRST_BYTES = 4 * 2**20
_BLOCK_BYTES = 16 * 2**20


def matches(name: str, start: bytes) -> bool:
    """Takes any file: what is no table is refused when it is read."""
    return True


def read(file: LogFile, content: bytes, options: ReadOptions) -> LogTable:
    """Reads a CSV file. An incomplete last line, of a run that still writes, is left out."""
    path = file.path
    content, notes = to_utf8(path, content)
    lines = content[:_FIRST_BYTES].decode(errors="replace").splitlines()[:_FIRST_LINES]
    num_blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if num_blank == len(lines):
        raise NoCurveError(f"{path}: empty: expected a header and rows of numbers")
    lines = lines[num_blank:]
    signs = options.format_options
    delimiter = (signs["delimiter"] or _guess_delimiter(lines)).replace("\\t", "\t")
    if len(delimiter) != 1:
        raise InputError(f"delimiter={delimiter!r}: expected one character, such as ';'")
    if signs["decimal"] not in (None, ".", ","):
        raise InputError(f"decimal={signs['decimal']}: expected one of ., ,")
    decimal = signs["decimal"] or _guess_decimal(lines, delimiter)
    if delimiter == decimal:
        raise InputError(f"{path}: {decimal!r} cannot both part cells and be a decimal sign")
    try:
        cells = next(csv.reader(io.StringIO(lines[0]), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: its first line is no row of a table: {error}") from None
    if len(cells) > _MAX_COLUMNS:
        raise InputError(f"{path}: {len(cells)} columns, expected at most {_MAX_COLUMNS}")
    has_header = not all(_is_number(cell, decimal) for cell in cells)
    if has_header and not any(line.strip() for line in lines[1:]):
        raise NoCurveError(f"{path}: a header and no rows")
    names = _names(path, cells) if has_header else [f"column {i + 1}" for i in range(len(cells))]
    table, is_cut = _parse(path, content, names, num_blank + has_header, (delimiter, decimal))
    if is_cut:
        notes = (*notes, f"{path}: the last line is incomplete and left out")
    columns = {name: table[i].combine_chunks() for i, name in enumerate(names)}
    form = _FORMATS.get(delimiter, "CSV") + (", decimal commas" if decimal == "," else "")
    return LogTable(file, form, columns, 1 + num_blank + has_header, notes)


def _guess_delimiter(lines: list[str]) -> str:
    """Returns the sign that parts the header and the rows alike: the one that most often does."""
    header, rows = lines[0], [line for line in lines[1:] if line.strip()]

    def agreement(sign: str) -> tuple[int, int]:
        number = header.count(sign)
        return sum(row.count(sign) == number for row in rows) if number else -1, number

    return max(_DELIMITERS, key=agreement)


def _guess_decimal(lines: list[str], delimiter: str) -> str:
    """Returns a comma where one stands inside of a number and no point does."""
    if delimiter == ",":
        return "."
    cells = [cell.strip(' "') for line in lines[1:] for cell in line.split(delimiter)]
    halves = [cell.split(",") for cell in cells if cell.count(",") == 1 and "." not in cell]
    return "," if any(a.lstrip("+-").isdigit() and b[:1].isdigit() for a, b in halves) else "."


def _names(path: Path, cells: list[str]) -> list[str]:
    """Returns the names in a header; an index, which is the first column, may have none."""
    names = [cell.strip().removeprefix("#").strip() for cell in cells]
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {shown(twice)}: rename one of them")
    return [name or (f"(column {i + 1})" if i else "") for i, name in enumerate(names)]


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.strip().replace(decimal, "."))
    except ValueError:
        return False
    return True


def _parse(
    path: Path, content: bytes, names: list[str], num_skipped: int, signs: tuple[str, str]
) -> tuple[pa.Table, bool]:
    """Returns the table, and whether an incomplete last line was left out; `signs` part cells, and are in numbers."""
    from pyarrow import csv as arrow_csv

    bad: list[Any] = []

    def skip(row: Any) -> str:
        bad.append(row)
        return "skip"

    only_numbers: dict[str, Any] = {"true_values": [], "false_values": [], "timestamp_parsers": []}
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(column_names=names, skip_rows=num_skipped, block_size=_BLOCK_BYTES),
            arrow_csv.ParseOptions(delimiter=signs[0], invalid_row_handler=skip),
            arrow_csv.ConvertOptions(
                null_values=MISSING, strings_can_be_null=True, decimal_point=signs[1], **only_numbers
            ),
        )
    except (pa.ArrowException, ValueError, OverflowError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise InputError(f"{path}: cannot be read as CSV: {reason}") from None
    if not bad:
        return table, False
    first = bad[0]
    last = content.rstrip(b"\r\n").rsplit(b"\n", 1)[-1].decode(errors="replace").strip("\r")
    if len(bad) > 1 or first.text.strip("\r\n") != last or first.actual_columns > first.expected_columns:
        raise InputError(
            f"{path}, row {_line_of(content, first.text, num_skipped)}: {first.actual_columns} cells, expected "
            f"{first.expected_columns} as in the header"
        )
    return table, True


def _line_of(content: bytes, text: str, num_skipped: int) -> int:
    wanted = text.strip("\r\n").encode()
    lines = enumerate(content.split(b"\n"), 1)
    return next((i for i, line in lines if i > num_skipped and line.strip(b"\r") == wanted), num_skipped + 1)
