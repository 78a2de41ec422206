"""Sources of examples. A task is one module with `OPTIONS`, `load` and `build`, and one line in `TASKS`."""

from ..arms.arm import Arm
from ..losses.making import source_fingerprint as loss_fingerprint
from ..metrics.making import source_fingerprint as metric_fingerprint
from ..registry import fingerprint_sources
from ..user_code import fingerprint as fingerprint_own
from ..user_code import is_reference
from . import augmentation, passes, splitting, task
from .places import choose_source, source_of
from .reading import Note, Reading
from .registry import TASKS
from .task import Batch, Data, Task, build_task, fingerprint, first_batch, load_data

__all__ = [
    "TASKS",
    "Batch",
    "Data",
    "Note",
    "Reading",
    "Task",
    "build_task",
    "choose_source",
    "fingerprint",
    "first_batch",
    "load_data",
    "source_fingerprint",
    "source_of",
]


def source_fingerprint(arm: Arm) -> str:
    """Returns the SHA-256 of the sources that make the arm's task; the data have a fingerprint of their own."""
    augmenting = [augmentation] if arm.augment not in (None, "none") else []
    of_data = fingerprint_sources(TASKS.load(arm.dataset), splitting, passes, task, *augmenting)
    if arm.augment is not None and is_reference(arm.augment):
        of_data = f"{of_data} {fingerprint_own(arm.augment, 'augment')}"
    if arm.loss is not None:
        of_data = f"{of_data} {loss_fingerprint(arm.loss)}"
    return of_data if arm.metric is None else f"{of_data} {metric_fingerprint(arm.metric)}"
