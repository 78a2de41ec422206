"""Experiments: one module each with `study()`, and one line in `EXPERIMENTS`."""

from engine.registry import Registry

EXPERIMENTS = Registry(
    "experiment",
    {
        "kick_in": "experiments.kick_in",
        "init_scale": "experiments.init_scale",
        "double_well": "experiments.double_well",
        "single": "experiments.single",
    },
)
