"""Looks at an arm of a pool, and keeps what is found beside the compiled programs: one look for each set-up."""

import hashlib
import json

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError
from ..lanes.compilation import find_once
from ..lanes.self_check import structure_key
from ..lanes.spec import PoolSpec
from ..models import refusing_own_failures
from ..registry import fingerprint_sources
from ..tasks import fingerprint, scales
from . import findings, halves, learning, look, passes, traced
from .findings import BLOCKING, FINDINGS, Finding, find_all
from .look import Material, gather, take_look


def check_here(spec: PoolSpec, arm: Arm, horizon: int | None, cache_dir: str | None = None) -> list[Finding]:
    """Looks in this process, or recalls what was found before, and returns it; raises InputError as `take_look`."""
    material = gather(spec)
    name = _digest(spec, arm, horizon, material)
    with refusing_own_failures(arm):
        found = find_once(
            cache_dir,
            "looks",
            name,
            ["findings"],
            lambda: {"findings": [one._asdict() for one in find_all(take_look(spec, arm, horizon, material))]},
        )
    return [Finding(**one) for one in found["findings"]]


def _digest(spec: PoolSpec, arm: Arm, horizon: int | None, material: Material) -> str:
    """Digests all that the findings depend on: the set-up, the numbers that are looked at, and the code that looks."""
    numbers = {
        f"{part} {name}": np.asarray(array)
        for part in ("batch", "training", "held_out")
        for name, array in getattr(material, part)._asdict().items()
    }
    code = fingerprint_sources(findings, halves, learning, look, passes, scales, traced, *map(FINDINGS.load, FINDINGS))
    about = [structure_key(spec), spec.form, repr(arm), horizon, fingerprint(numbers), code]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def refuse_untrainable(found: list[Finding], arm: Arm) -> None:
    """Raises `InputError` where something was found with which nothing can be trained."""
    for one in found:
        if one.name in BLOCKING:
            raise InputError(f"model={arm.model}: {one.sentence}: {one.advice}")
