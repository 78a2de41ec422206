"""`study.json`: everything that is needed to do a study again."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from engine import models, provenance, tasks
from engine.devices import Devices
from engine.plan import Plan
from engine.store import SCHEMA_VERSION


def document(plan: Plan, devices: Devices) -> dict[str, Any]:
    """`study.json`: everything that is needed to do the study again.

    `identity` is what makes it this study and no other. How many seeds it has, and when and how it
    was launched, may change from launch to launch.

    Args:
        plan: of the study.
        devices: what this launch runs on.
    """
    study = plan.study
    identity = {
        "arms": {name: dataclasses.asdict(arm) for name, arm in plan.arms.items()},
        "horizons": plan.horizons,
        "eval_every": plan.eval_every,
        "root_seed": study.root_seed,
        "fix_init": study.fix_init,
        "fix_order": study.fix_order,
        "design": study.design,
        "order_seeds": study.order_seeds,
        "fork_step": plan.fork_steps,
        "detector": study.detector._asdict(),
        "width": {name: g.spec.width for g in plan.groups for name in g.arm_names},
        "block": {name: g.spec.block for g in plan.groups for name in g.arm_names},
        "form": {name: g.spec.form for g in plan.groups for name in g.arm_names},
        "stop": study.stop,
        "platform": devices.platform,
        "data": {name: g.fingerprint for g in plan.groups for name in g.arm_names},
        "model_source": {name: models.source_fingerprint(arm) for name, arm in plan.arms.items()},
        "task_source": {name: tasks.source_fingerprint(arm) for name, arm in plan.arms.items()},
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": _as_json(identity),
        "arm_order": list(plan.arms),
        "study": {
            "name": study.name,
            "question": study.question,
            "baseline": study.baseline or next(iter(plan.arms)),
            "seeds": study.seeds_by_arm,
            "steps_per_epoch": {
                name: g.steps_per_epoch for g in plan.groups for name in g.arm_names
            },
            "chance_loss": {name: g.chance_loss for g in plan.groups for name in g.arm_names},
            "event": {name: g.event for g in plan.groups for name in g.arm_names},
            "forks": study.forks,
        },
        "launches": [provenance.current_launch(devices)],
    }


def _as_json(value: Any) -> Any:
    """The value as it comes back from JSON: tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value
