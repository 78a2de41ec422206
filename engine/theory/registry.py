"""The names of the theories."""

from engine.registry import Registry

THEORIES = Registry(
    "theory",
    {
        "deep_linear": "engine.theory.deep_linear",
    },
)
