"""JSON: a line for each row, a list of rows, or a list for each column as Keras has it."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from .log_files import LogFile, to_utf8
from .log_table import LogTable, NoCurveError, shown
from .options import ReadOptions

# Python's objects take many times the bytes of the text.
_MAX_BYTES = 1024 * 2**20
_MAX_COLUMNS = 10_000
_MAX_CELLS = 2 * 10**8
_BLOCK_BYTES = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_FINITE = ("nan", "inf", "infinity")
# Where a document keeps its rows or columns.
_INSIDE = "history"

Columns = dict[str, pa.Array]


def matches(name: str, start: bytes) -> bool:
    """Tells by a file's name in lower case, without `.gz`, or by its first bytes whether it is JSON."""
    return name.endswith((".json", ".jsonl", ".ndjson")) or start[:1] in (b"[", b"{")


def read(file: LogFile, content: bytes, _: ReadOptions) -> LogTable:
    """Reads the table in a file of JSON."""
    start = content.removeprefix(_BYTE_ORDER_MARK).lstrip()
    return _read_lines(file, content) if _has_lines(file.plain_name, start) else _read_document(file, content)


def _has_lines(name: str, start: bytes) -> bool:
    line, _, rest = start.partition(b"\n")
    is_whole = line.startswith(b"{") and line.rstrip().endswith(b"}") and rest.startswith(b"{")
    return name.endswith((".jsonl", ".ndjson")) or is_whole or (start[:1] == b"{" and not name.endswith(".json"))


def _read_lines(file: LogFile, content: bytes) -> LogTable:
    """Reads one JSON object per line. An incomplete last line, of a run that still writes, is left out."""
    content, notes = as_text(file.path, content)
    content = content.rstrip()
    pieces: list[tuple[int, Columns]] = []
    num_rows = first = 0
    while first < len(content):
        end = content.find(b"\n", first + _BLOCK_BYTES)
        end = len(content) if end < 0 else end
        lines = content[first:end].split(b"\n")
        rows = _rows(file.path, lines, num_rows, is_end=end == len(content))
        pieces.append((len(rows), columns_of_rows(file.path, rows)))
        num_rows, first = num_rows + len(rows), end + 1
        if len(rows) < len(lines):
            notes = (*notes, f"{file.path}: the last line is incomplete and left out")
    columns = _joined(file.path, pieces)
    if not columns:
        raise NoCurveError(f"{file.path}: no JSON object in it")
    kind = "JSON lines of Weights & Biases" if "_step" in columns else "JSON lines"
    return LogTable(file, kind, columns, notes=notes)


def _rows(path: Path, lines: list[bytes], num_before: int, is_end: bool) -> list[dict[str, Any]]:
    """Parses lines, but for the last one of the file if that is incomplete."""
    with contextlib.suppress(ValueError):
        # One list of many lines is parsed in a third of the time.
        rows = parse(b"[" + b",".join(lines) + b"]")
        if len(rows) == len(lines) and all(isinstance(row, dict) for row in rows):
            return list(rows)
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        try:
            row = parse(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise ValueError("no object")
        except ValueError as error:
            if is_end and number == len(lines) - 1 and num_before + number > 0:
                return found
            raise InputError(
                f"{path}, row {num_before + number + 1}: {shown(line.decode(errors='replace'))} "
                f"is no JSON object ({reason(error)})"
            ) from None
        found.append(row)
    return found


def _joined(path: Path, pieces: list[tuple[int, Columns]]) -> Columns:
    """Joins the columns of the pieces of a log; null where a piece lacks one."""
    names = dict.fromkeys(name for _, columns in pieces for name in columns)
    _check_cells(path, sum(number for number, _ in pieces), len(names))
    found = {}
    for name in names:
        parts = [columns.get(name, pa.nulls(number)) for number, columns in pieces]
        kind = pa.string() if any(pa.types.is_string(p.type) for p in parts) else pa.float64()
        found[name] = pa.concat_arrays([part.cast(kind) for part in parts])
    return found


def _read_document(file: LogFile, content: bytes) -> LogTable:
    """Reads a list of rows, lists by name, or a document that holds either."""
    path = file.path
    text, notes = as_text(path, content)
    try:
        value = parse(text)
    except ValueError as error:
        if text.lstrip()[:1] == b"{" and b"\n" in text.strip():
            return _read_lines(file, content)
        raise InputError(f"{path}: no JSON ({reason(error)})") from None
    kind = "JSON"
    if isinstance(value, dict) and isinstance(value.get(_INSIDE), (dict, list)):
        epochs, value, kind = value.get("epoch"), value[_INSIDE], "Keras history"
        if isinstance(value, dict) and isinstance(epochs, list):
            # Keras keeps the list of epochs beside the metrics.
            value = {"epoch": epochs, **value}
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return LogTable(file, kind, columns_of_rows(path, value), notes=notes)
    if isinstance(value, dict):
        lists = {name: column for name, column in value.items() if isinstance(column, list)}
        if lists:
            kind = "Keras history" if kind == "JSON" else kind
            return LogTable(file, kind, _columns_of_lists(path, lists), notes=notes, has_epochs=True)
        if any(map(_is_scalar, value.values())):
            return LogTable(file, "JSON lines", columns_of_rows(path, [value]), notes=notes)
    raise NoCurveError(
        f"{path}: JSON without a curve: expected a list of rows, or a list of numbers for each "
        f"metric as in Keras' History.history"
    )


def _columns_of_lists(path: Path, lists: dict[str, list[Any]]) -> Columns:
    longest = max(map(len, lists.values()))
    if longest * len(lists) > _MAX_CELLS or len(lists) > _MAX_COLUMNS:
        raise InputError(f"{path}: {len(lists)} lists of up to {longest} values are too many")
    # Metrics that are measured every few epochs have shorter lists, of unknown steps.
    columns = {n: _column(c) for n, c in lists.items() if c and len(c) == longest and all(map(_is_scalar, c))}
    if not columns:
        raise NoCurveError(f"{path}: no list of numbers in it")
    return columns


def columns_of_rows(path: Path, rows: list[dict[str, Any]]) -> Columns:
    """Makes columns of rows whose values may be nested; lists and deeper objects are left out."""
    found = _columns_of_plain_rows(rows)
    if found is None:
        flat = [dict(_flattened(row)) for row in rows]
        names = dict.fromkeys(name for row in flat for name in row)
        _check_cells(path, len(rows), len(names))
        found = {name: _column([row.get(name) for row in flat]) for name in names}
    _check_cells(path, len(rows), len(found))
    return found


def _columns_of_plain_rows(rows: list[dict[str, Any]]) -> Columns | None:
    """Makes columns of rows in which every column is of numbers or of text, quickly; `None` for other rows."""
    try:
        found = pa.array(rows)
    except (pa.ArrowException, ValueError, OverflowError):
        return None
    kinds = {field.type for field in found.type} if pa.types.is_struct(found.type) else {None}
    if not kinds <= {pa.int64(), pa.float64(), pa.string()}:
        return None
    columns = zip(found.type, found.flatten(), strict=True)
    return {
        field.name: _column(c.to_pylist()) if field.type == pa.string() else pc.cast(c, pa.float64(), safe=False)
        for field, c in columns
    }


def _column(cells: Sequence[Any]) -> pa.Array:
    """Makes a column of numbers where all cells are numbers or null, else of text; NaN and infinity may be text."""
    if str in set(map(type, cells)):
        cells = [float(c) if isinstance(c, str) and c.lstrip("+-").lower() in _NOT_FINITE else c for c in cells]
    if set(map(type, cells)) <= {float, int, NoneType}:
        # Text of a whole number that is too large for a float is infinite.
        return pa.array([c if c is None or type(c) is float else float(str(c)) for c in cells], pa.float64())
    # Text may hold half of a surrogate pair, which UTF-8 cannot.
    return pa.array([None if c is None else str(c).encode(errors="replace").decode() for c in cells], pa.string())


def _check_cells(path: Path, num_rows: int, num_names: int) -> None:
    if num_names > _MAX_COLUMNS or num_names * num_rows > _MAX_CELLS:
        raise InputError(
            f"{path}: {num_rows} rows of up to {num_names} names are too many: expected at most "
            f"{_MAX_COLUMNS} names, and {_MAX_CELLS} values"
        )


def _flattened(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{n}", v) for n, v in value.items() if _is_scalar(v))
        elif _is_scalar(value):
            yield name, value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str))


def as_text(path: Path, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Returns text of a bounded size as UTF-8, and what was unusual about it."""
    content, notes = to_utf8(path, content)
    if not content.strip():
        raise NoCurveError(f"{path}: empty")
    if len(content) > _MAX_BYTES:
        raise InputError(
            f"{path}: {len(content) // 2**20} MiB of JSON, expected at most {_MAX_BYTES // 2**20}: write it as CSV"
        )
    return content, notes


def parse(text: bytes) -> Any:
    """Parses JSON, in which NaN and infinity may be numbers; raises `ValueError` if it is none or nested too deeply."""
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # thousands of digits, which Python does not make a whole number of
            return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def reason(error: ValueError) -> str:
    """Returns why text is no JSON, in short."""
    return str(error).split("\n", 1)[0][:80]
