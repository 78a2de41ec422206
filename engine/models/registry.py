"""The names of the models."""

from engine.registry import Registry

MODELS = Registry(
    "model",
    {
        "chain": "engine.models.chain",
        "cnn8": "engine.models.cnn8",
        "committee": "engine.models.committee",
        "mlp": "engine.models.mlp",
        "position": "engine.models.position",
        "transformer": "engine.models.transformer",
    },
)
