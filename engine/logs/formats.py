"""The formats of text files: a table, in which each says whether a file is in it."""

from collections.abc import Callable
from typing import NamedTuple

from engine.logs.csv_logs import read_csv
from engine.logs.json_logs import read_json_document, read_json_lines
from engine.logs.log_files import LogFile
from engine.logs.log_table import LogTable
from engine.logs.options import ReadOptions

_FIRST_BYTES = 4096


class LogFormat(NamedTuple):
    """A format of text files.

    Attributes:
        matches: tells by a file's name in lower case, without `.gz`, and by its first bytes whether it has this format.
        read: reads the table in a file, given its content.
    """

    matches: Callable[[str, bytes], bool]
    read: Callable[[LogFile, bytes, ReadOptions], LogTable]


def _has_json_lines(name: str, start: bytes) -> bool:
    line, _, rest = start.partition(b"\n")
    is_whole = line.startswith(b"{") and line.rstrip().endswith(b"}") and rest.startswith(b"{")
    return name.endswith((".jsonl", ".ndjson")) or is_whole or (start[:1] == b"{" and not name.endswith(".json"))


# The first one that matches counts.
FORMATS = {
    "json_lines": LogFormat(_has_json_lines, read_json_lines),
    "json": LogFormat(lambda name, start: name.endswith(".json") or start[:1] in (b"[", b"{"), read_json_document),
    "csv": LogFormat(lambda name, start: True, read_csv),
}


def read_text(file: LogFile, content: bytes, options: ReadOptions) -> LogTable:
    """Reads the table in a file of text."""
    name = file.path.name.removesuffix(".gz").lower()
    start = content[:_FIRST_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    form = next(form for form in FORMATS.values() if form.matches(name, start))
    return form.read(file, content, options)
