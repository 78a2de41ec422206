"""The names of the tasks."""

from engine.registry import Registry

TASKS = Registry(
    "dataset",
    {
        "digits": "engine.tasks.digits",
        "double_well": "engine.tasks.double_well",
        "folder": "engine.tasks.folder",
        "teacher": "engine.tasks.teacher",
    },
)
