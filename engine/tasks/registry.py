"""The names of the tasks."""

from engine.registry import Registry

TASKS = Registry(
    "dataset",
    {
        "digits": "engine.tasks.digits",
        "teacher": "engine.tasks.teacher",
    },
)
