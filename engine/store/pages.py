"""What reading a Parquet file would allocate, known before it is read.

The file's own summary may say one thing and its pages another, and a few bytes of a page can stand
for billions of values. So every page is looked at: its sizes and its number of values are in a
header of its own, before anything that is compressed (Thrift's compact protocol, the struct
`PageHeader` of the format).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from engine.store.files import DamagedError

# Of one file: of its values once they are decoded, and of its pages once they are unpacked.
MAX_DECODED_BYTES = 2 * 2**30
MAX_ROWS = 2**20
MAX_FOOTER_BYTES = 2**18
_MAGIC = b"PAR1"
_MAX_COLUMNS = 64
_MAX_GROUPS = 4096
_MAX_PAGES = 2**16
_MAX_HEADER_BYTES = 2**16
_VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 8}
_OUR_WRITER = "parquet-cpp-arrow"

# Numbers of fields and kinds of pages in `PageHeader`.
_KIND, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_HEADERS = {0: 5, 2: 7, 3: 8}
_DICTIONARY = 2
_NUM_VALUES = 1


class _Page(NamedTuple):
    """A page of a column: its kind, its number of values, its size, and where the next begins."""

    kind: int
    num_values: int
    size: int
    end: int


def check_footer(content: bytes) -> None:
    """Checks the ends of a file, before anything of it is parsed.

    Raises:
        DamagedError: it is no Parquet, or its summary is larger than any of ours.
    """
    if len(content) < 12 or content[:4] != _MAGIC or content[-4:] != _MAGIC:
        raise DamagedError("not Parquet")
    size = int.from_bytes(content[-8:-4], "little")
    if size > min(MAX_FOOTER_BYTES, len(content) - 12):
        raise DamagedError(f"a summary of {size} bytes")


def check_sizes(content: bytes, metadata: pq.FileMetaData) -> None:
    """Checks what a file says it holds against its pages, and both against what is read at all.

    Args:
        content: of the file.
        metadata: its summary.

    Raises:
        DamagedError: they disagree, or there is more than any part of ours holds.
    """
    if not str(metadata.created_by).startswith(_OUR_WRITER):
        raise DamagedError("written by another program")
    if not 0 <= metadata.num_rows <= MAX_ROWS:
        raise DamagedError(f"{metadata.num_rows} rows, expected at most {MAX_ROWS}")
    if metadata.num_columns > _MAX_COLUMNS or metadata.num_row_groups > _MAX_GROUPS:
        raise DamagedError("more columns or groups of rows than a part has")
    num_rows = value_bytes = page_bytes = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        if group.num_rows < 0 or group.num_columns != metadata.num_columns:
            raise DamagedError("a group of rows that is not whole")
        num_rows += group.num_rows
        for j in range(group.num_columns):
            of_values, of_pages = _column_bytes(content, group.column(j))
            value_bytes, page_bytes = value_bytes + of_values, page_bytes + of_pages
            if max(value_bytes, page_bytes) > MAX_DECODED_BYTES:
                raise DamagedError(
                    f"more than {MAX_DECODED_BYTES // 2**20} MiB once it is unpacked"
                )
    if num_rows != metadata.num_rows:
        raise DamagedError("its groups hold another number of rows than it says")


def _column_bytes(content: bytes, column: pq.ColumnChunkMetaData) -> tuple[int, int]:
    """Bytes of a column's values, and of its pages once they are unpacked."""
    if column.physical_type not in _VALUE_BYTES:
        raise DamagedError(f"a column of type {column.physical_type}")
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    end = start + column.total_compressed_size
    if not 4 <= start <= end <= len(content):
        raise DamagedError("a column outside its file")
    num_values = num_bytes = 0
    for page in _pages(content, start, end):
        num_bytes += page.size
        if page.kind != _DICTIONARY:
            num_values += page.num_values
    if num_values != column.num_values:
        raise DamagedError("a column holds another number of values than it says")
    return num_values * _VALUE_BYTES[column.physical_type], num_bytes


def _pages(content: bytes, start: int, end: int) -> Iterator[_Page]:
    for _ in range(_MAX_PAGES):
        if start == end:
            return
        page = _page(content, start, end)
        yield page
        start = page.end
    raise DamagedError("more pages than a part has")


def _page(content: bytes, start: int, end: int) -> _Page:
    header = _Struct(content[start : min(end, start + _MAX_HEADER_BYTES)])
    fields = header.read()
    kind, size, packed = (fields.get(name) for name in (_KIND, _UNCOMPRESSED, _COMPRESSED))
    inner = fields.get(_HEADERS.get(kind, -1)) if isinstance(kind, int) else None
    num_values = inner.get(_NUM_VALUES) if isinstance(inner, dict) else None
    for value in (size, packed, num_values):
        if not isinstance(value, int) or not 0 <= value < 2**31:
            raise DamagedError("a page without its sizes")
    assert isinstance(kind, int)
    assert isinstance(size, int)
    assert isinstance(packed, int)
    assert isinstance(num_values, int)
    if start + header.position + packed > end:
        raise DamagedError("a page beyond its column")
    return _Page(kind, num_values, size, start + header.position + packed)


class _Struct:
    """Reads one struct of Thrift's compact protocol.

    Args:
        content: that begins with it.

    Attributes:
        position: after what has been read.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def read(self, depth: int = 4) -> dict[int, Any]:
        """The struct's fields by number.

        Raises:
            DamagedError: it is cut off, or is none.
        """
        if depth == 0:
            raise DamagedError("a page whose header is nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._signed()
            if number in fields:
                raise DamagedError("a page that says a thing twice")
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._unsigned())
        if kind == 12:
            return self.read(depth - 1)
        raise DamagedError("a page whose header is none of ours")

    def _byte(self) -> int:
        if self.position >= len(self._content):
            raise DamagedError("a page that is cut off")
        self.position += 1
        return self._content[self.position - 1]

    def _skip(self, size: int) -> None:
        self.position += size
        if self.position > len(self._content):
            raise DamagedError("a page that is cut off")

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise DamagedError("a page with a number of no end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
