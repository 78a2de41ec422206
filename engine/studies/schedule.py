"""When runs are evaluated, when diagnostics are measured, and how long runs last."""

import math

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.lanes.programs import SEGMENTS_PER_CHUNK
from engine.studies.study import Study
from engine.training.probes.measuring import STEPS_AHEAD

_MAX_EVAL_EVERY = 25
# The store reads no part of more than 2 GiB; a run of this length, with a point at every step, has 1.5 GiB of curves.
_MAX_HORIZON = 2**26
_FRESH_EVAL_EVERY = 10
# Evaluations from one measurement of all diagnostics to the next: they then cost less than a quarter.
_SEGMENTS_APART = 4


def default_eval_every(steps_per_epoch: int | None) -> int:
    """Returns the steps between evaluations for a task with or without epochs."""
    if steps_per_epoch is None:
        return _FRESH_EVAL_EVERY
    return min(max(1, steps_per_epoch // 2), _MAX_EVAL_EVERY)


def diagnostics_every(study: Study, eval_every: int) -> int:
    """Returns the steps from one measurement of diagnostics to the next; 0 without diagnostics."""
    if not study.diagnostics:
        return 0
    if eval_every < STEPS_AHEAD:
        raise InputError(
            f"diagnostics look {STEPS_AHEAD} steps ahead, and eval_every={eval_every}: give "
            f"--eval_every={STEPS_AHEAD} or more"
        )
    counts = [n for n in range(1, SEGMENTS_PER_CHUNK + 1) if SEGMENTS_PER_CHUNK % n == 0]
    usable = [eval_every * n for n in counts]
    asked = study.diagnostics_every or _SEGMENTS_APART * eval_every
    if asked not in usable:
        raise InputError(
            f"diagnostics_every={asked}: expected {', '.join(map(str, usable[:-1]))} or "
            f"{usable[-1]}, which are {', '.join(map(str, counts[:-1]))} and {counts[-1]} times "
            f"eval_every={eval_every}"
        )
    return asked


def horizon(study: Study, arm_name: str, arm: Arm, steps_per_epoch: int | None, eval_every: int) -> int:
    """Returns the steps of a run, rounded up to whole evaluation intervals."""
    asked = study.horizons_by_arm[arm_name]
    if asked is not None:
        steps = float(asked)
    elif steps_per_epoch is not None and study.epochs is not None:
        steps = study.epochs * steps_per_epoch
    else:
        raise InputError(f"dataset={arm.dataset} draws fresh examples and has no epochs: give --horizon in steps")
    if steps > _MAX_HORIZON:
        raise InputError(f"a horizon of {steps:g} steps is too long: expected at most 2^26")
    return math.ceil(steps / eval_every - 1e-9) * eval_every
