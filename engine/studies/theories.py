"""The names of the theories: here, because a study names one and reports are made later."""

from ..registry import Registry

THEORIES = Registry(
    "theory",
    {
        "committee": ".theory.committee",
        "dead_relu": ".theory.dead_relu",
        "deep_linear": ".theory.deep_linear",
        "modular_addition": ".theory.modular_addition",
        "sparse_parity": ".theory.sparse_parity",
    },
)
