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


def _to_version_4(document: dict[str, Any]) -> None:
    """Version 3 had no checksum, and parts that did not say whose they are."""
    document["schema_version"] = 4


# By the version that they are for. A part names its study by what `identity` holds, so a change of
# `identity` here must leave `fingerprint` as it was.
UPGRADES: dict[int, Callable[[dict[str, Any]], None]] = {2: _to_version_3, 3: _to_version_4}
