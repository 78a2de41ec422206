"""Sources of examples. A task is one module with `load` and `build`, and one line in `TASKS`."""

from engine.tasks.registry import TASKS
from engine.tasks.task import (
    Batch,
    Data,
    Task,
    build_task,
    fingerprint,
    load_data,
    resolve,
    source_fingerprint,
)

__all__ = [
    "TASKS",
    "Batch",
    "Data",
    "Task",
    "build_task",
    "fingerprint",
    "load_data",
    "resolve",
    "source_fingerprint",
]
