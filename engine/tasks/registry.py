"""The names of the tasks."""

from engine.registry import Registry

TASKS = Registry(
    "dataset",
    {
        "arrays": "engine.tasks.arrays",
        "cifar10": "engine.tasks.cifar10",
        "cifar100": "engine.tasks.cifar100",
        "digits": "engine.tasks.digits",
        "double_well": "engine.tasks.double_well",
        "fashion_mnist": "engine.tasks.fashion_mnist",
        "folder": "engine.tasks.folder",
        "line": "engine.tasks.line",
        "mnist": "engine.tasks.mnist",
        "prepared": "engine.tasks.prepared",
        "teacher": "engine.tasks.teacher",
    },
)
