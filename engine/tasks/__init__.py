"""Sources of examples. A task is one module with `load` and `build`, and one line in `TASKS`."""

from engine.config import Arm
from engine.registry import fingerprint_sources
from engine.tasks import classification
from engine.tasks.registry import TASKS
from engine.tasks.task import (
    Batch,
    Data,
    Task,
    build_task,
    fingerprint,
    first_batch,
    load_data,
    resolve,
)

__all__ = [
    "TASKS",
    "Batch",
    "Data",
    "Task",
    "build_task",
    "fingerprint",
    "first_batch",
    "load_data",
    "resolve",
    "source_fingerprint",
]


def source_fingerprint(arm: Arm) -> str:
    """SHA-256 of the sources of the arm's task, which are part of a study's identity."""
    return fingerprint_sources(TASKS.load(arm.dataset), classification)
