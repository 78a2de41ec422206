"""The names of the theories: here, because a study names one and reports are made later."""

from engine.registry import Registry

THEORIES = Registry(
    "theory",
    {
        "committee": "engine.theory.committee",
        "dead_relu": "engine.theory.dead_relu",
        "deep_linear": "engine.theory.deep_linear",
        "modular_addition": "engine.theory.modular_addition",
        "sparse_parity": "engine.theory.sparse_parity",
    },
)
