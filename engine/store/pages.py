"""What reading a Parquet file would allocate, known before it is read.

The file's own summary may say one thing and its pages another, and a few bytes of a page can stand
for billions of values. A summary that contradicts itself can end the whole process. So the summary
is read here first, and every page is looked at: its sizes and its number of values are in a header
of its own, before anything that is compressed. Numbers of fields are those of the format's
definition (`parquet.thrift`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.store.files import DamagedError
from engine.store.thrift import read_struct

# Of one file: of its values once they are decoded, and of its pages once they are unpacked.
MAX_DECODED_BYTES = 2 * 2**30
MAX_ROWS = 2**20
_MAX_FOOTER_BYTES = 2**18
_MAGIC = b"PAR1"
_MAX_COLUMNS = 64
_MAX_GROUPS = 1024
_MAX_PAGES = 2**16
_MAX_HEADER_BYTES = 2**16
_LARGEST = 2**62
_OUR_WRITER = b"parquet-cpp-arrow"
# Bytes of a value by the number of its type; text and bytes count by their pages.
_VALUE_BYTES = {0: 1, 1: 4, 2: 8, 4: 4, 5: 8, 6: 8}

# Fields of the summary, of a group of rows, of a column and of its own summary.
_SCHEMA, _NUM_ROWS, _GROUPS, _WRITER = 2, 3, 4, 6
_COLUMNS, _ROWS_OF_GROUP = 1, 3
_ABOUT_COLUMN = 3
_TYPE, _PATH, _NUM_OF_COLUMN, _PACKED_SIZE, _FIRST_DATA, _FIRST_DICTIONARY = 1, 3, 5, 7, 9, 11
# What is kept in another file, or encrypted.
_ELSEWHERE = {"summary": (8, 9), "column": (1, 8, 9)}
# Fields of the header of a page, and kinds of pages with the field that has more of them.
_KIND, _UNPACKED, _PACKED = 1, 2, 3
_INNER = {0: 5, 2: 7, 3: 8}
_DICTIONARY = 2
_NUM_OF_PAGE = 1


class _Page(NamedTuple):
    """A page of a column: its kind, its number of values, its size, and where the next begins."""

    kind: int
    num_values: int
    size: int
    end: int


def check_sizes(content: bytes) -> set[str]:
    """Checks what a file says it holds against its pages, and both against what is read at all.

    Args:
        content: of the file.

    Returns:
        The names of its columns that are not nested.

    Raises:
        DamagedError: it is no Parquet, its parts disagree, or it holds more than any part of ours.
    """
    summary = _summary(content)
    if not _bytes(summary, _WRITER).startswith(_OUR_WRITER):
        raise DamagedError("written by another program")
    num_rows = _number(summary, _NUM_ROWS)
    if num_rows > MAX_ROWS:
        raise DamagedError(f"{num_rows} rows, expected at most {MAX_ROWS}")
    _refuse_elsewhere(summary, "summary")
    groups = _structs(summary, _GROUPS, _MAX_GROUPS)
    names = set()
    value_bytes = page_bytes = 0
    for group in groups:
        for column in _structs(group, _COLUMNS, _MAX_COLUMNS):
            about = _about(column)
            names.add(_name(about))
            of_values, of_pages = _column_bytes(content, about)
            value_bytes, page_bytes = value_bytes + of_values, page_bytes + of_pages
            if max(value_bytes, page_bytes) > MAX_DECODED_BYTES:
                raise DamagedError(f"more than {MAX_DECODED_BYTES // 2**20} MiB once it is unpacked")
    if sum(_number(group, _ROWS_OF_GROUP) for group in groups) != num_rows:
        raise DamagedError("its groups hold another number of rows than it says")
    _structs(summary, _SCHEMA, 4 * _MAX_COLUMNS)
    return names


def _summary(content: bytes) -> dict[int, Any]:
    if len(content) < 12 or content[:4] != _MAGIC or content[-4:] != _MAGIC:
        raise DamagedError("not Parquet")
    size = int.from_bytes(content[-8:-4], "little")
    if size > min(_MAX_FOOTER_BYTES, len(content) - 12):
        raise DamagedError(f"a summary of {size} bytes")
    summary, end = read_struct(content[-8 - size : -8])
    if end != size:
        raise DamagedError("a summary with something behind it")
    return summary


def _number(fields: dict[int, Any], name: int) -> int:
    """A field that must be there, and a whole number that is not negative."""
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise DamagedError("a header without its sizes")
    return value


def _bytes(fields: dict[int, Any], name: int) -> bytes:
    value = fields.get(name)
    return value if isinstance(value, bytes) else b""


def _structs(fields: dict[int, Any], name: int, most: int) -> list[dict[int, Any]]:
    values = fields.get(name)
    if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
        raise DamagedError("a summary without its columns")
    if len(values) > most:
        raise DamagedError("more columns or groups of rows than a part has")
    return values


def _refuse_elsewhere(fields: dict[int, Any], what: str) -> None:
    if fields.keys() & _ELSEWHERE[what]:
        raise DamagedError("encrypted, or kept in another file")


def _about(column: dict[int, Any]) -> dict[int, Any]:
    """The summary of a column."""
    _refuse_elsewhere(column, "column")
    about = column.get(_ABOUT_COLUMN)
    if not isinstance(about, dict):
        raise DamagedError("a column without its summary")
    return about


def _name(about: dict[int, Any]) -> str:
    """The name of a column, or nothing where it is nested."""
    path = about.get(_PATH)
    is_plain = isinstance(path, list) and len(path) == 1 and isinstance(path[0], bytes)
    return path[0].decode(errors="replace") if is_plain and path else ""


def _column_bytes(content: bytes, about: dict[int, Any]) -> tuple[int, int]:
    """Bytes of a column's values, and of its pages once they are unpacked."""
    width = _VALUE_BYTES.get(_number(about, _TYPE))
    if width is None:
        raise DamagedError("a column of a type that a part does not have")
    start = _number(about, _FIRST_DATA)
    if _FIRST_DICTIONARY in about and 0 < _number(about, _FIRST_DICTIONARY) < start:
        start = _number(about, _FIRST_DICTIONARY)
    end = start + _number(about, _PACKED_SIZE)
    if not 4 <= start <= end <= len(content):
        raise DamagedError("a column outside its file")
    num_values = num_bytes = 0
    for page in _pages(content, start, end):
        num_bytes += page.size
        if page.kind != _DICTIONARY:
            num_values += page.num_values
    if num_values != _number(about, _NUM_OF_COLUMN):
        raise DamagedError("a column holds another number of values than it says")
    return num_values * width, num_bytes


def _pages(content: bytes, start: int, end: int) -> Iterator[_Page]:
    for _ in range(_MAX_PAGES):
        if start == end:
            return
        page = _page(content, start, end)
        yield page
        start = page.end
    raise DamagedError("more pages than a part has")


def _page(content: bytes, start: int, end: int) -> _Page:
    header, position = read_struct(content[start : min(end, start + _MAX_HEADER_BYTES)])
    kind, size, packed = (_number(header, name) for name in (_KIND, _UNPACKED, _PACKED))
    inner = header.get(_INNER.get(kind, -1))
    num_values = _number(inner if isinstance(inner, dict) else {}, _NUM_OF_PAGE)
    if max(size, packed, num_values) >= 2**31 or start + position + packed > end:
        raise DamagedError("a page beyond its column")
    return _Page(kind, num_values, size, start + position + packed)
