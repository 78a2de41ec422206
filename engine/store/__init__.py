"""Keeps a study on disk: its identity and its finished runs, written atomically, read without executing anything."""

from ..outcomes.row import OUTCOME_SCHEMA, ROW_SCHEMA, RUN_KEY, SCHEMA_VERSION, WAITING_COLUMNS, Row, waiting_times
from .files import check_folder, read_bounded, remove, set_aside, write_atomically, writing
from .json_files import to_json
from .lock import find_holder, hold, reporting
from .opening import create_or_replace, create_or_resume, find_existing, open_existing, refuse_other_study
from .parts import fingerprint
from .study_file import PAGE, part_names
from .validation import KINDS, is_of_logs
from .workdir import WorkDirectory

__all__ = [
    "KINDS",
    "OUTCOME_SCHEMA",
    "PAGE",
    "ROW_SCHEMA",
    "RUN_KEY",
    "SCHEMA_VERSION",
    "WAITING_COLUMNS",
    "Row",
    "WorkDirectory",
    "check_folder",
    "create_or_replace",
    "create_or_resume",
    "find_existing",
    "find_holder",
    "fingerprint",
    "hold",
    "is_of_logs",
    "open_existing",
    "part_names",
    "read_bounded",
    "refuse_other_study",
    "remove",
    "reporting",
    "set_aside",
    "to_json",
    "waiting_times",
    "write_atomically",
    "writing",
]
