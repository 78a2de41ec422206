"""JSON: a line for each row, a list of rows, or a list for each column as Keras has it."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InputError
from engine.logs.log_files import to_utf8
from engine.logs.log_table import NoCurveError, Table, from_cells, shown
from engine.logs.options import ReadOptions

# Python's objects take many times the bytes of the text.
_MAX_BYTES = 1024 * 2**20
_MAX_COLUMNS = 10_000
_MAX_CELLS = 2 * 10**8
_BLOCK_BYTES = 2**20
# Where a document keeps its rows or columns, by the tool that writes it so.
_INSIDE = {"log_history": "trainer state", "history": "Keras history"}


def read_lines(path: Path, content: bytes, _: ReadOptions) -> Table:
    """The table in a file with one JSON object per line.

    An incomplete last line, of a run that still writes, is left out.

    Raises:
        InputError: a line is something else, with its number.
    """
    content, notes = to_utf8(path, content)
    _check_size(path, content)
    content = content.rstrip()
    pieces: list[tuple[int, dict[str, pa.Array]]] = []
    num_rows = first = 0
    while first < len(content):
        end = content.find(b"\n", first + _BLOCK_BYTES)
        end = len(content) if end < 0 else end
        lines = content[first:end].split(b"\n")
        rows = _rows(path, lines, num_rows, end == len(content))
        pieces.append((len(rows), _columns_of_rows(path, rows)))
        num_rows, first = num_rows + len(rows), end + 1
        if len(rows) < len(lines):
            notes = (*notes, f"{path}: the last line is incomplete and left out")
    columns = _joined(path, pieces)
    if not columns:
        raise NoCurveError(f"{path}: no JSON object in it")
    kind = "JSON lines of Weights & Biases" if "_step" in columns else "JSON lines"
    return Table(str(path), kind, columns, 1, notes)


def _rows(path: Path, lines: list[bytes], num_before: int, is_end: bool) -> list[dict[str, Any]]:
    """The objects of some lines; without the last one of the file where that is incomplete."""
    try:
        # Many lines are read in a third of the time as one list.
        rows = _parse(b"[" + b",".join(lines) + b"]")
        if len(rows) == len(lines) and all(isinstance(row, dict) for row in rows):
            return list(rows)
    except ValueError:
        pass
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        try:
            row = _parse(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise ValueError("no object")
        except ValueError as error:
            if is_end and number == len(lines) - 1 and num_before + number > 0:
                return found
            raise InputError(
                f"{path}, row {num_before + number + 1}: {shown(line.decode(errors='replace'))} "
                f"is no JSON object ({_reason(error)})"
            ) from None
        found.append(row)
    return found


def _joined(path: Path, pieces: list[tuple[int, dict[str, pa.Array]]]) -> dict[str, pa.Array]:
    """The columns of some pieces of a log, one after another; null where a piece has none."""
    names = list(dict.fromkeys(name for _, columns in pieces for name in columns))
    _check_cells(path, sum(number for number, _ in pieces), len(names))
    found = {}
    for name in names:
        parts = [columns.get(name, pa.nulls(number)) for number, columns in pieces]
        kind = pa.string() if any(pa.types.is_string(p.type) for p in parts) else pa.float64()
        found[name] = pa.chunked_array([part.cast(kind) for part in parts]).combine_chunks()
    return found


def read_document(path: Path, content: bytes, options: ReadOptions) -> Table:
    """The table in a JSON file: a list of rows, lists by name, or a document that holds either.

    Raises:
        InputError: it is no JSON, or holds neither.
    """
    text, notes = to_utf8(path, content)
    _check_size(path, text)
    try:
        value = _parse(text)
    except ValueError as error:
        if text.lstrip()[:1] == b"{" and b"\n" in text.strip():
            return read_lines(path, content, options)
        raise InputError(f"{path}: no JSON ({_reason(error)})") from None
    kind = "JSON"
    for name, words in _INSIDE.items():
        if isinstance(value, dict) and isinstance(value.get(name), (dict, list)):
            value, kind = _with_epochs(value, value[name]), words
            break
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        columns = _columns_of_rows(path, value)
        return Table(str(path), kind, columns, 1, notes)
    if isinstance(value, dict):
        lists = {name: column for name, column in value.items() if isinstance(column, list)}
        if lists:
            kind = "Keras history" if kind == "JSON" else kind
            columns = _columns_of_lists(path, lists)
            return Table(str(path), kind, columns, 1, notes, has_epochs=True)
        if any(_is_scalar(one) for one in value.values()):
            return Table(str(path), "JSON lines", _columns_of_rows(path, [value]), 1, notes)
    raise NoCurveError(
        f"{path}: JSON without a curve: expected a list of rows, or a list of numbers for each "
        f"metric as in Keras' History.history"
    )


def _with_epochs(document: dict[str, Any], inner: Any) -> Any:
    """What is inside a document, with the list of epochs that Keras keeps beside it."""
    epochs = document.get("epoch")
    if isinstance(inner, dict) and isinstance(epochs, list) and "epoch" not in inner:
        return {"epoch": epochs, **inner}
    return inner


def _columns_of_lists(path: Path, lists: dict[str, list[Any]]) -> dict[str, pa.Array]:
    longest = max(map(len, lists.values()))
    if longest * len(lists) > _MAX_CELLS or len(lists) > _MAX_COLUMNS:
        raise InputError(f"{path}: {len(lists)} lists of up to {longest} values are too many")
    columns = {}
    for name, cells in lists.items():
        # Metrics that are measured every few epochs have shorter lists, of unknown steps.
        if cells and len(cells) == longest and all(_is_scalar(cell) for cell in cells):
            columns[name] = _column(cells)
    if not columns:
        raise NoCurveError(f"{path}: no list of numbers in it")
    return columns


def _columns_of_rows(path: Path, rows: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """Columns of rows whose values may be nested; lists and deeper objects are left out."""
    fast = _columns_of_numbers(rows)
    if fast is not None:
        _check_cells(path, len(rows), len(fast))
        return fast
    names = list(rows[0]) if rows else []
    if all(list(row) == names for row in rows):
        columns = dict(zip(names, zip(*(row.values() for row in rows), strict=True), strict=True))
        if not any(set(map(type, cells)) & {dict, list} for cells in columns.values()):
            _check_cells(path, len(rows), len(names))
            return {name: _column(cells) for name, cells in columns.items()}
    flat = [dict(_flattened(row)) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    _check_cells(path, len(rows), len(names))
    return {name: _column([row.get(name) for row in flat]) for name in names}


def _columns_of_numbers(rows: list[dict[str, Any]]) -> dict[str, pa.Array] | None:
    """Columns of rows in which everything is a number or null, quickly; `None` for other rows."""
    try:
        found = pa.array(rows)
    except (pa.ArrowException, OverflowError):
        return None
    if not pa.types.is_struct(found.type):
        return None
    if any(field.type not in (pa.int64(), pa.float64()) for field in found.type):
        return None
    columns = zip(found.type, found.flatten(), strict=True)
    return {field.name: pc.cast(column, pa.float64(), safe=False) for field, column in columns}


def _column(cells: Sequence[Any]) -> pa.Array:
    """A column in which NaN and infinity may be text, as of writers that have none in JSON."""
    has_text = str in set(map(type, cells))
    return from_cells([_number(cell) for cell in cells] if has_text else cells)


def _check_cells(path: Path, num_rows: int, num_names: int) -> None:
    if num_names > _MAX_COLUMNS or num_names * num_rows > _MAX_CELLS:
        raise InputError(
            f"{path}: {num_rows} rows of up to {num_names} names are too many: expected at most "
            f"{_MAX_COLUMNS} names, and {_MAX_CELLS} values"
        )


def _flattened(row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{n}", v) for n, v in value.items() if _is_scalar(v))
        elif _is_scalar(value):
            yield name, value


def _number(value: Any) -> Any:
    """NaN and infinity as numbers, where they are text."""
    if isinstance(value, str) and value.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return float(value)
    return value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str))


def _check_size(path: Path, content: bytes) -> None:
    if len(content) > _MAX_BYTES:
        raise InputError(
            f"{path}: {len(content) // 2**20} MiB of JSON, expected at most {_MAX_BYTES // 2**20}: write it as CSV"
        )


def _parse(text: bytes) -> Any:
    """The value that JSON stands for; NaN and infinity are numbers here.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # thousands of digits, which Python does not make a whole number of
            return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 19 else float(text)


def _reason(error: ValueError) -> str:
    return str(error).split("\n", 1)[0][:80]
