"""Expands a study: resolves its arms, loads their data, and lists its compiled programs and its runs."""

import contextlib
import itertools
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import tasks
from ..arms.arm import Arm, identity_fields
from ..errors import InputError, StorageError, unknown_name
from ..lanes.host_batches import spool
from ..lanes.runs import Run
from ..lanes.spec import PoolSpec
from ..models import loading
from ..models.lowering import FORMS
from . import checks, designs
from .shared_program import Layout, SharedProgram, load_structures, share_program
from .study import Study, resolve_arm

_MAX_EVAL_EVERY = 25
_FRESH_EVAL_EVERY = 10
# The store reads no part of more than 2 GiB; a run of this length, with a point at every step, has 1.5 GiB of curves.
_MAX_HORIZON = 2**26


class ParentOutcomes(NamedTuple):
    """Outcomes of the repetitions of an arm, the parents of its forks, as in `RunTable`; arrays `[num_runs]`."""

    seed: np.ndarray
    time: np.ndarray
    event: np.ndarray


class ExpandedStudy(NamedTuple):
    """A study with its arms resolved, its data loaded and its runs listed.

    `horizons` are steps by arm, multiples of `eval_every`; `fork_steps` are by arm, `None` while not known; `runs` are
    all without a fork, by seed and then by arm.
    """

    study: Study
    arms: dict[str, Arm]
    programs: list[SharedProgram]
    horizons: dict[str, int]
    eval_every: int
    fork_steps: dict[str, int | None]
    runs: list[Run]

    @property
    def program_of(self) -> dict[str, SharedProgram]:
        """The program of each arm."""
        return {name: program for program in self.programs for name in program.arm_names}

    def by_program(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Divides runs among the programs."""
        return [[run for run in runs if run.arm_name in program.arm_names] for program in self.programs]


def expand(
    study: Study,
    platform: str,
    layouts: Mapping[str, Layout] | None = None,
    data_dir: str | None = None,
    fork_steps: Mapping[str, int | None] | None = None,
    is_quiet: bool = True,
) -> ExpandedStudy:
    """Resolves the arms, loads their data and lists the runs; raises `InputError` where that cannot be done.

    Args:
        platform: kind of device, for the rules of the layout.
        layouts: by arm; by default all follow the rules.
        fork_steps: step at which to fork, by arm, for a study that does not say.
    """
    layouts = layouts or {}
    for layout in layouts.values():
        if layout.form is not None and layout.form not in FORMS:
            raise unknown_name("form", layout.form, FORMS)
    arms = {name: _resolve_named(name, arm) for name, arm in study.arms.items()}
    checks.check_precisions(arms, platform)
    checks.refuse_equal(arms)
    checks.refuse_equal_runs(study, arms)
    structures = load_structures(study, arms, data_dir, is_quiet)
    eval_every = study.eval_every or min(_default_eval_every(one.task.steps_per_epoch) for one in structures)
    programs = [share_program(study, structure, platform, layouts, eval_every) for structure in structures]
    program_of = {name: program for program in programs for name in program.arm_names}
    # Arms may differ only in where the same data, or the same weights to start from, are found.
    contents = {
        name: (*identity_fields(arms[name]).items(), of.fingerprint, loading.fingerprint_of(arms[name]))
        for name, of in program_of.items()
    }
    checks.refuse_equal(contents, ": their data and weights to start from are equal")
    horizons = {name: _horizon(study, name, program_of[name], eval_every) for name in arms}
    checks.check_fork_steps(study.fork_steps_by_arm, horizons, eval_every)
    forked = {name: step or (fork_steps or {}).get(name) for name, step in study.fork_steps_by_arm.items()}
    return ExpandedStudy(study, arms, programs, horizons, eval_every, forked, _list_runs(study, arms, horizons))


def _resolve_named(name: str, arm: Arm) -> Arm:
    try:
        return resolve_arm(arm)
    except InputError as error:
        raise InputError(f"arm {name!r}: {error}") from None


def _default_eval_every(steps_per_epoch: int | None) -> int:
    if steps_per_epoch is None:
        return _FRESH_EVAL_EVERY
    return min(max(1, steps_per_epoch // 2), _MAX_EVAL_EVERY)


def _horizon(study: Study, name: str, program: SharedProgram, eval_every: int) -> int:
    """Returns the steps of the runs of an arm, rounded up to whole evaluation intervals."""
    asked = study.horizons_by_arm[name]
    if asked is not None:
        steps = float(asked)
    elif program.steps_per_epoch is not None and study.epochs is not None:
        steps = study.epochs * program.steps_per_epoch
    else:
        arm = program.spec.arm
        who = f"dataset={arm.dataset} draws fresh examples and has no epochs"
        if arm.trainer is not None:
            who = f"trainer={arm.trainer} names no steps_per_epoch"
        raise InputError(f"{who}: give --horizon in steps")
    if steps > _MAX_HORIZON:
        raise InputError(f"a horizon of {steps:g} steps is too long: expected at most 2^26")
    return math.ceil(steps / eval_every - 1e-9) * eval_every


@contextlib.contextmanager
def spooled(expanded: ExpandedStudy) -> Iterator[ExpandedStudy]:
    """Moves data that stay on the host into files that all workers share; raises `StorageError`: there is no room."""
    if not any(program.spec.arm.stream for program in expanded.programs):
        yield expanded
        return
    with tempfile.TemporaryDirectory(prefix="plateau-") as folder:
        programs = [
            program._replace(spec=_spool(program.spec, Path(folder) / str(i))) if program.spec.arm.stream else program
            for i, program in enumerate(expanded.programs)
        ]
        yield expanded._replace(programs=programs)


def _spool(spec: PoolSpec, folder: Path) -> PoolSpec:
    names = tasks.build_task(spec.arm, spec.data).streamed
    try:
        return spec._replace(data=spool(spec.data, names, folder))
    except OSError as error:
        raise StorageError(
            f"the training data cannot be kept in {tempfile.gettempdir()!r} "
            f"({error.strerror or error}): make room, or set TMPDIR to another folder"
        ) from error


def _list_runs(study: Study, arms: Mapping[str, Arm], horizons: Mapping[str, int]) -> list[Run]:
    """Lists the runs without a fork: the first of each arm, then the second of each arm, and so on."""
    by_arm = []
    for name, arm in arms.items():
        cells = designs.unforked(study.seeds_by_arm[name], study.order_seeds)
        by_arm.append([_make_run(study, name, arm, cell, horizons[name]) for cell in cells])
    turns = itertools.zip_longest(*by_arm)
    return [run for turn in turns for run in turn if run is not None]


def _make_run(study: Study, name: str, arm: Arm, cell: designs.Cell, horizon: int, fork_step: int | None = None) -> Run:
    init_seed = cell.init_seed if study.fix_init is None else study.fix_init
    order_seed = cell.order_seed if study.fix_order is None else study.fix_order
    return Run(name, arm, cell.seed, init_seed, order_seed, cell.noise_seed, horizon, fork_step, cell.fork_order_seed)


def run_of(expanded: ExpandedStudy, arm_name: str, noise_seed: int, fork_order_seed: int | None) -> Run | None:
    """Returns the run of an arm with this noise seed and this order seed after a fork; `None` if no seeds give one."""
    study, arm = expanded.study, expanded.arms.get(arm_name)
    cell = designs.cell_of(study.design, study.order_seeds, noise_seed, fork_order_seed)
    if arm is None or cell is None:
        return None
    step = None if fork_order_seed is None else expanded.fork_steps[arm_name]
    return _make_run(study, arm_name, arm, cell, expanded.horizons[arm_name], step)


def with_forks(expanded: ExpandedStudy, parents: Mapping[str, ParentOutcomes]) -> ExpandedStudy:
    """Returns the study with the forks in the place of its runs, given the outcomes of their parents by arm.

    Parents that were still waiting at the fork step are forked; an arm whose fork step cannot be known has no forks.
    """
    study, steps, runs = expanded.study, {}, []
    for name, arm in expanded.arms.items():
        seed, time, event = parents[name]
        step = steps[name] = expanded.fork_steps[name] or designs.fork_step_of(time, event, expanded.eval_every)
        if step is None:
            continue
        still = set(seed[time > step].tolist())
        cells = [cell for cell in designs.forked(study.seeds_by_arm[name], study.forks) if cell.seed in still]
        runs += [_make_run(study, name, arm, cell, expanded.horizons[name], step) for cell in cells]
    return expanded._replace(fork_steps=steps, runs=runs)
