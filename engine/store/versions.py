"""`study.json` of older versions, brought up to the present one."""

from collections.abc import Callable
from typing import Any


def _to_version_3(document: dict[str, Any]) -> None:
    """Version 2 had no designs, and no events but breaks."""
    study, names = document["study"], document["arm_order"]
    document["identity"].update(design="seeds", order_seeds=None, fork_step=dict.fromkeys(names))
    for arm in document["identity"]["arms"].values():
        arm["gradient_noise"] = None
    study.update(event=dict.fromkeys(names, "break"), forks=None)
    document["schema_version"] = 3


# By the version that they are for.
UPGRADES: dict[int, Callable[[dict[str, Any]], None]] = {2: _to_version_3}
