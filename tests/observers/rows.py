"""Rows as they come from workers."""

from typing import Any

import numpy as np


def row_of(seed: int, **changes: Any) -> dict[str, Any]:
    """A run of four points that left chance level at step 20."""
    row = {
        "arm": "slow",
        "seed": seed,
        "init_seed": seed,
        "order_seed": seed,
        "noise_seed": seed,
        "fork_step": None,
        "fork_order_seed": None,
        "status": "broke",
        "event": 1,
        "onset_step": 20.0,
        "hitting_step": None,
        "steps_run": 30,
        "is_diverged_later": False,
        "steps": np.array([0, 10, 20, 30]),
        "loss": np.array([2.0, 2.0, 1.0, 0.5], np.float32),
    }
    return {**row, **changes}
