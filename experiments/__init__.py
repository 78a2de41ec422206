"""Experiments: one module each with `study()`, and one line in `EXPERIMENTS`."""

from engine.registry import Registry

EXPERIMENTS = Registry(
    "experiment",
    {
        "kick_in": "experiments.kick_in",
        "init_scale": "experiments.init_scale",
        "chance_or_fate": "experiments.chance_or_fate",
        "dead_relu": "experiments.dead_relu",
        "deep_linear": "experiments.deep_linear",
        "double_well": "experiments.double_well",
        "committee": "experiments.committee",
        "sparse_parity": "experiments.sparse_parity",
        "modular_addition": "experiments.modular_addition",
        "grokking": "experiments.grokking",
        "single": "experiments.single",
    },
)
