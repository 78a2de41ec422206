"""The names of the networks and of the initial schemes."""

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
SCHEMES = Registry(
    "init",
    {
        "normal": "engine.models.schemes.normal",
        "constant": "engine.models.schemes.constant",
        "he": "engine.models.schemes.he",
        "glorot": "engine.models.schemes.glorot",
        "lecun": "engine.models.schemes.lecun",
        "torch": "engine.models.schemes.torch",
        "as_written": "engine.models.schemes.as_written",
    },
)
