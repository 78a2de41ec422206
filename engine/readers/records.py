"""JSON: a line for each row, a list of rows, or a list for each column as Keras has it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import InputError
from engine.readers.files import to_utf8
from engine.readers.options import ReadOptions
from engine.readers.tables import NoCurveError, Table, from_cells, shown

# Python's objects take many times the bytes of the text.
_MAX_BYTES = 512 * 2**20
_MAX_COLUMNS = 10_000
_MAX_CELLS = 2 * 10**8
_BLOCK_BYTES = 16 * 2**20
# Where a document keeps its rows or columns, by the tool that writes it so.
_INSIDE = {"log_history": "trainer state", "history": "Keras history"}


def read_lines(path: Path, content: bytes, _: ReadOptions) -> Table:
    """The table in a file with one JSON object per line.

    An incomplete last line, of a run that still writes, is left out.

    Raises:
        InputError: a line is something else, with its number.
    """
    content, notes = to_utf8(path, content)
    columns = _fast_columns(content)
    if columns is None:
        rows, is_cut = _rows(path, content)
        columns = _columns_of_rows(path, rows)
        if is_cut:
            notes = (*notes, f"{path}: the last line is incomplete and left out")
    if not columns or not len(next(iter(columns.values()))):
        raise NoCurveError(f"{path}: no JSON object in it")
    kind = "JSON lines of Weights & Biases" if "_step" in columns else "JSON lines"
    return Table(str(path), kind, columns, 1, notes)


def _fast_columns(content: bytes) -> dict[str, pa.Array] | None:
    """Columns as Arrow reads them; `None` where it does not, as where there is a NaN."""
    if b"NaN" in content or b"Infinity" in content:
        return None
    from pyarrow import json as arrow_json

    try:
        options = arrow_json.ReadOptions(block_size=_BLOCK_BYTES)
        table = arrow_json.read_json(pa.BufferReader(content), options).flatten()
    except (pa.ArrowException, ValueError):
        return None
    columns = {name.replace(".", "/"): table[name].combine_chunks() for name in table.column_names}
    if len(columns) != table.num_columns or len(columns) > _MAX_COLUMNS:
        return None
    return {name: c for name, c in columns.items() if not pa.types.is_nested(c.type)}


def _rows(path: Path, content: bytes) -> tuple[list[dict[str, Any]], bool]:
    """The object of each line, and whether the last line was left out."""
    _check_size(path, content)
    lines = content.split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            rows.append({})
            continue
        try:
            row = _parse(line)
            if not isinstance(row, dict):
                raise ValueError("no object")
        except ValueError as error:
            if number == len(lines) - 1 and rows:
                return rows, True
            raise InputError(
                f"{path}, row {number + 1}: {shown(line.decode(errors='replace'))} is no JSON "
                f"object ({_reason(error)})"
            ) from None
        rows.append(row)
    return rows, False


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
            columns[name] = from_cells([_number(cell) for cell in cells])
    if not columns:
        raise NoCurveError(f"{path}: no list of numbers in it")
    return columns


def _columns_of_rows(path: Path, rows: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """Columns of rows whose values may be nested; lists and deeper objects are left out."""
    flat = [dict(_flattened(row)) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    if len(names) > _MAX_COLUMNS or len(names) * len(rows) > _MAX_CELLS:
        raise InputError(
            f"{path}: {len(rows)} rows of up to {len(names)} names are too many: expected at most "
            f"{_MAX_COLUMNS} names"
        )
    return {name: from_cells([_number(row.get(name)) for row in flat]) for name in names}


def _flattened(row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{n}", v) for n, v in value.items() if _is_scalar(v))
        elif _is_scalar(value):
            yield name, value


def _number(value: Any) -> Any:
    """NaN and infinity as numbers, where a writer that has none in JSON makes them text."""
    if isinstance(value, str) and value.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return float(value)
    return value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str))


def _check_size(path: Path, content: bytes) -> None:
    if len(content) > _MAX_BYTES:
        raise InputError(
            f"{path}: {len(content) // 2**20} MiB of JSON, expected at most {_MAX_BYTES // 2**20}: "
            f"write it as CSV"
        )


def _parse(text: bytes) -> Any:
    """The value that JSON stands for; NaN and infinity are numbers here.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 19 else float(text)


def _reason(error: ValueError) -> str:
    return str(error).split("\n", 1)[0][:80]
