"""The names of the optimisers and of the learning-rate schedules."""

from engine.registry import Registry

OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": "engine.training.optimizers.sgd",
        "adam": "engine.training.optimizers.adam",
        "adamw": "engine.training.optimizers.adamw",
        "rmsprop": "engine.training.optimizers.rmsprop",
        "lion": "engine.training.optimizers.lion",
    },
)
SCHEDULES = Registry(
    "schedule",
    {
        "constant": "engine.training.schedules.constant",
        "warmup": "engine.training.schedules.warmup",
        "cosine": "engine.training.schedules.cosine",
    },
)
