"""Rows on disk: a study's identity and its finished runs, written atomically.

Nothing that is read is ever executed: parts are Parquet, checkpoints are plain arrays, everything
else is JSON; sizes are bounded before anything is allocated.
"""

from engine.store.files import (
    digest,
    keep,
    read_json,
    recall,
    storing,
    to_json,
    write_atomically,
)
from engine.store.lock import hold
from engine.store.schema import (
    OUTCOME_SCHEMA,
    ROW_SCHEMA,
    RUN_KEY,
    SCHEMA_VERSION,
    WAITING_COLUMNS,
    waiting_times,
)
from engine.store.versions import fingerprint
from engine.store.workdir import (
    WorkDirectory,
    create_or_resume,
    find_existing,
    open_existing,
    say,
)

__all__ = [
    "OUTCOME_SCHEMA",
    "ROW_SCHEMA",
    "RUN_KEY",
    "SCHEMA_VERSION",
    "WAITING_COLUMNS",
    "WorkDirectory",
    "create_or_resume",
    "digest",
    "find_existing",
    "fingerprint",
    "hold",
    "keep",
    "open_existing",
    "read_json",
    "recall",
    "say",
    "storing",
    "to_json",
    "waiting_times",
    "write_atomically",
]
