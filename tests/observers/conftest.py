"""A study that is over, and rows as they come from workers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.commands.run import run
from tests.conftest import small_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory, data_dir, cache_dir) -> Path:
    """Two arms of three seeds, with event files and without a report. Do not write into it."""
    path = tmp_path_factory.mktemp("finished")
    options: dict[str, Any] = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir}
    run(small_study(), path, is_quiet=True, has_report=False, has_tensorboard=True, **options)
    return path


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
