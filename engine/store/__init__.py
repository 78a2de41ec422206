"""Keeps a study on disk: its identity and its finished runs, written atomically, read without executing anything."""

from engine.outcomes.row import OUTCOME_SCHEMA, ROW_SCHEMA, RUN_KEY, SCHEMA_VERSION, WAITING_COLUMNS, Row, waiting_times
from engine.store.files import check_folder, read_bounded, remove, set_aside, write_atomically, writing
from engine.store.json_files import to_json
from engine.store.lock import hold, reporting
from engine.store.opening import create_or_replace, create_or_resume, find_existing, open_existing, refuse_other_study
from engine.store.parts import fingerprint
from engine.store.study_file import part_names
from engine.store.validation import KINDS, is_of_logs
from engine.store.workdir import WorkDirectory

__all__ = [
    "KINDS",
    "OUTCOME_SCHEMA",
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
