"""Studies as they are stored, without a network behind them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import store
from engine.outcomes import DetectorSettings
from engine.store import provenance


def make_document(
    arms: Mapping[str, Mapping[str, Any]], horizon: int = 880, seeds: int = 20, **study: Any
) -> dict[str, Any]:
    """A whole `study.json` of one launch.

    Args:
        arms: fields by name, in the order of the study.
        horizon: of every run, in steps.
        seeds: of every arm.
        study: entries of `study` that are other than usual.
    """

    def by_arm(value: Any) -> dict[str, Any]:
        return dict.fromkeys(arms, value)

    return {
        "schema_version": store.SCHEMA_VERSION,
        "identity": {
            "arms": {name: dict(fields) for name, fields in arms.items()},
            "horizons": by_arm(horizon),
            "eval_every": 11,
            "root_seed": 0,
            "fix_init": None,
            "fix_order": None,
            "design": "seeds",
            "order_seeds": None,
            "fork_step": by_arm(None),
            "detector": DetectorSettings()._asdict(),
            "width": by_arm(8),
            "block": by_arm(8),
            "form": by_arm("direct"),
            "stop": "horizon",
            "platform": "cpu",
            "data": by_arm("0" * 64),
            "model_source": by_arm("0" * 64),
            "task_source": by_arm("0" * 64),
        },
        "arm_order": list(arms),
        "study": {
            "name": "stored",
            "question": "",
            "baseline": next(iter(arms)),
            "seeds": by_arm(seeds),
            "steps_per_epoch": by_arm(22),
            "chance_loss": by_arm(float(np.log(10))),
            "event": by_arm("break"),
            "forks": None,
            "places": by_arm({"dataset_dir": "~/images"}),
            "data_notes": by_arm(["3 of 1,203 files left out, unreadable"]),
            **study,
        },
        "launches": [
            {
                "command": ["launch.py"],
                "started": "2026-01-01T00:00:00+00:00",
                "versions": {"jax": "1"},
                "hardware": {"cores": 2, "machine": "x", "system": "y"},
                "code": {"digest": provenance.code_digest()},
            }
        ],
    }


def make_row(arm: str, seed: int, /, num_points: int = 3, **values: Any) -> dict[str, Any]:
    """A run that broke, evaluated at steps 0, 11, 22, …

    Args:
        arm: its name.
        seed: in every role.
        num_points: of its curve.
        values: columns that are other than usual.
    """
    steps = np.arange(num_points, dtype=np.int64) * 11
    loss = np.linspace(2.3, 0.1, num_points).astype(np.float32)
    return {
        "arm": arm,
        **dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed),
        "status": "broke",
        "event": 1,
        "stop_reason": "horizon",
        "onset_step": float(steps[-1]) / 2,
        "steps_run": int(steps[-1]),
        "steps": steps,
        "loss": loss,
        "accuracy": 1 - loss / 2.3,
        "inspected_steps": steps[[0, -1]],
        "held_out_accuracy": (1 - loss / 2.3)[[0, -1]],
        "batch_loss": np.repeat(loss[1:], 11),
        **values,
    }
