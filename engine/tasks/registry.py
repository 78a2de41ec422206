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
        "modular_addition": "engine.tasks.modular_addition",
        "prepared": "engine.tasks.prepared",
        "ramp": "engine.tasks.ramp",
        "soft_committee": "engine.tasks.soft_committee",
        "sparse_parity": "engine.tasks.sparse_parity",
        "teacher": "engine.tasks.teacher",
    },
)
