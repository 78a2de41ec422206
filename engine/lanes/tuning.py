"""Chooses width and form by measurement, on the real network, data and device."""

import dataclasses
import logging
import statistics
import time
from typing import Any, NamedTuple

import jax

from ..arms.arm import Arm
from ..errors import InputError
from .compilation import find_once
from .memory import memory_limit
from .pool import make_pool
from .programs import SEGMENTS_PER_CHUNK
from .runs import Run
from .self_check import compare, structure_key
from .spec import PoolSpec

_CPU_WIDTHS = (1, 2, 4, 8, 16)
_ACCELERATOR_WIDTHS = (16, 64, 256, 1024)
_REPEATS = 3

logger = logging.getLogger(__name__)


class Choice(NamedTuple):
    """How the lanes of a structure are computed, see `PoolSpec`."""

    width: int
    block: int
    form: str


class StepCost(NamedTuple):
    """What a step of one seed costs, evaluation included, and how long it takes to compile or load the program."""

    seconds_per_step: float
    start_seconds: float


def candidates(platform: str, arm: Arm) -> list[Choice]:
    """Returns what is tried for an arm on a kind of device; each candidate computes all lanes in one block."""
    widths = _CPU_WIDTHS if platform == "cpu" else _ACCELERATOR_WIDTHS
    forms: tuple[str, ...] = ("direct", "patches") if platform == "cpu" else ("patches", "native")
    forms = forms if arm.trainer is None else ("native",)
    return [Choice(width, width, form) for form in forms for width in widths]


def tune(spec: PoolSpec, platform: str, limit: int | None, cache_dir: str | None) -> tuple[Choice, dict[str, float]]:
    """Finds the fastest choice within a limit in bytes, and milliseconds per seed and step of all that fit."""
    keys = (*Choice._fields, "milliseconds")
    found = find_once(cache_dir, "tuned", structure_key(spec), keys, lambda: _measure_all(spec, platform, limit))
    return Choice(*(found[name] for name in Choice._fields)), found["milliseconds"]


def tune_here(spec: PoolSpec, cache_dir: str | None) -> tuple[Choice, dict[str, float]]:
    """Tunes for the device of this process, all of whose memory may be used."""
    return tune(spec, jax.default_backend(), memory_limit(1), cache_dir)


def _measure_all(spec: PoolSpec, platform: str, limit: int | None) -> dict[str, Any]:
    measured: dict[Choice, float] = {}
    is_right: dict[str, bool] = {}
    for choice in candidates(platform, spec.arm):
        candidate = spec._replace(**choice._asdict())
        if choice.form not in is_right:
            is_right[choice.form] = choice.form == "native" or compare(candidate) is None
        if not is_right[choice.form]:
            continue
        try:
            measured[choice] = step_cost(candidate, limit).seconds_per_step
        except InputError as error:
            logger.info("%s", error)
    if not measured:
        raise InputError("no width fits this network on this device")
    best = min(measured, key=lambda choice: measured[choice])
    table = {f"{c.form} {c.width}": round(1e3 * s, 4) for c, s in measured.items()}
    return {**best._asdict(), "milliseconds": table}


def step_cost(spec: PoolSpec, limit: int | None) -> StepCost:
    """Measures a few chunks on the device of this process after a warm-up, and takes the median."""
    begun = time.perf_counter()
    pool = make_pool(spec, limit)
    start_seconds = time.perf_counter() - begun
    horizon = SEGMENTS_PER_CHUNK * spec.eval_every * (_REPEATS + 2)
    # At a rate of zero no run ends early, and a step costs the same; but a gradient that is no number ends them all.
    arm = dataclasses.replace(spec.arm, learning_rate=0.0)
    runs = [Run.of_seed("at rest", arm, seed, horizon) for seed in range(spec.width)]
    times = []
    for _ in range(_REPEATS + 1):
        if not pool.num_busy:
            pool.fill(runs)
        started = time.perf_counter()
        pool.advance()
        pool.collect(pool.harvest())
        times.append(time.perf_counter() - started)
    steps = spec.width * SEGMENTS_PER_CHUNK * spec.eval_every
    return StepCost(statistics.median(times[1:]) / steps, start_seconds)
