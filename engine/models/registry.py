"""The names of the models."""

from engine.registry import Registry

MODELS = Registry(
    "model",
    {
        "chain": "engine.models.chain",
        "cnn8": "engine.models.cnn8",
        "mlp": "engine.models.mlp",
        "position": "engine.models.position",
    },
)
