"""The formats of text files, each a module that says whether a file is in it, and reads it.

To add one, write a module with `matches(name, start)`, `read(file, content, options)` and, where something can be set,
`OPTIONS`; then name it in `FORMATS`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..arms.options import owned
from ..errors import InputError
from ..registry import Registry
from .log_files import LogFile
from .log_table import LogTable

if TYPE_CHECKING:
    from .options import ReadOptions

# The first one that matches counts.
FORMATS = Registry("format", {"hf": ".logs.hf_logs", "json": ".logs.json_logs", "csv": ".logs.csv_logs"})
_FIRST_BYTES = 4096


def format_of(file: LogFile, content: bytes) -> str:
    """Returns the name of the format of a file, by its name and its first bytes."""
    start = content[:_FIRST_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    return next(form for form in FORMATS if FORMATS.load(form).matches(file.plain_name, start))


def read_text(form: str, file: LogFile, content: bytes, options: "ReadOptions") -> LogTable:
    """Reads the table in a file of text that is in a format."""
    table: LogTable = FORMATS.load(form).read(file, content, options)
    return table


def check_effect(given: Mapping[str, Any], found: set[str]) -> None:
    """Refuses options of formats that none of the files had."""
    for name, value in given.items():
        owners = [form for form in FORMATS if name in owned(FORMATS, [form])]
        if value is not None and not found.intersection(owners):
            raise InputError(f"{name}={value} has no effect: no file is in the format {' or '.join(owners)}")
