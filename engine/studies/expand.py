"""A study made concrete: its data, its programs of one structure, its runs and its identity."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine import models, tasks
from engine.arms import arm as config
from engine.arms.arm import Arm
from engine.errors import InputError, StorageError, unknown_name
from engine.lanes.host_batches import spool
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec, block_of, default_width
from engine.models.initial import AS_WRITTEN
from engine.models.lowering import FORMS, default_form, has_convolutions
from engine.outcomes.event import Event
from engine.studies import checks, designs, schedule
from engine.studies.study import MAX_SEEDS, Study, check_whole, resolve_arm
from engine.tasks import Task
from engine.training.stopping import STOPS
from engine.user_code import is_reference

# Products of a number with a parameter in a step, above which a run gains nothing from others that
# are computed with it; measured, see BUILD_NOTES.md.
_LONG_STEP = 2**22


class SharedProgram(NamedTuple):
    """Arms of one structure and with the same data: they share lanes and a compiled program.

    Attributes:
        spec: of their lane pools.
        arm_names: in the order of the study.
        chance_loss: of their task.
        steps_per_epoch: of their task, or `None`.
        fingerprint: of their data.
        event: what a run waits for.
        notes: what a person should know of their data.
    """

    spec: PoolSpec
    arm_names: list[str]
    chance_loss: float
    steps_per_epoch: int | None
    fingerprint: str
    event: Event
    notes: tuple[tasks.Note, ...] = ()


class Layout(NamedTuple):
    """How the lanes of an arm are computed; the rule for the kind of device fills in what is `None`.

    Attributes:
        width: lanes of a worker.
        block: lanes that are computed together; divides the width.
        form: of the convolutions, see `engine.models.lowering`.
    """

    width: int | None = None
    block: int | None = None
    form: str | None = None


_BY_RULE = Layout()


class ParentOutcomes(NamedTuple):
    """What came of the repetitions of an arm; arrays `[num_runs]`.

    Attributes:
        seed: of the runs.
        time: event, or end of the run, in steps.
        event: 0 censored, 1 the event, 2 diverged.
    """

    seed: np.ndarray
    time: np.ndarray
    event: np.ndarray


class ExpandedStudy(NamedTuple):
    """A study with its arms resolved, its data loaded and its runs listed.

    Attributes:
        study: as given.
        arms: resolved.
        programs: arms by structure.
        horizons: steps of the runs of each arm, a multiple of `eval_every`.
        eval_every: steps between evaluations.
        fork_steps: where the runs of each arm are forked; `None` where that is not known yet.
        runs: every run without a fork, by seed and then by arm.
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
        """Some runs, by program."""
        return [[run for run in runs if run.arm_name in g.arm_names] for g in self.programs]


def expand(
    study: Study,
    platform: str,
    layout: Layout | Mapping[str, Layout] = _BY_RULE,
    data_dir: str | None = None,
    fork_steps: Mapping[str, int | None] | None = None,
    is_quiet: bool = True,
) -> ExpandedStudy:
    """Loads the data, resolves the arms and lists the runs.

    Args:
        study: what is to be done.
        platform: kind of device, for the rules of the layout.
        layout: of every arm, or by arm.
        data_dir: where prepared data are kept.
        fork_steps: where runs are forked, by arm, for a study that does not say.
        is_quiet: whether to draw no progress bar while data are read.

    Raises:
        InputError: an arm is not usable, two arms are the same, or the data cannot be had.
    """
    layouts = dict.fromkeys(study.arms, layout) if isinstance(layout, Layout) else layout
    for one in layouts.values():
        _check_layout(one)
    if study.stop not in STOPS:
        raise unknown_name("stop", study.stop, STOPS)
    arms = {name: _resolve_named(name, arm) for name, arm in study.arms.items()}
    checks.check_precisions(arms, platform)
    checks.refuse_equal_arms(arms)
    checks.refuse_equal_runs(study, arms)
    grouped = _loaded(study, arms, data_dir, is_quiet)
    eval_every = study.eval_every or min(schedule.default_eval_every(one.task.steps_per_epoch) for one in grouped)
    diagnostics_every = schedule.diagnostics_every(study, eval_every)
    programs = [
        _shared_program(study, one, platform, layouts.get(one.names[0], _BY_RULE), eval_every, diagnostics_every)
        for one in grouped
    ]
    program_of = {name: program for program in programs for name in program.arm_names}
    checks.refuse_equal_data(arms, {name: g.fingerprint for name, g in program_of.items()})
    horizons = {
        name: schedule.horizon(study, name, arm, program_of[name].steps_per_epoch, eval_every)
        for name, arm in arms.items()
    }
    asked = study.fork_steps_by_arm
    checks.check_fork_steps(asked, horizons, eval_every)
    forked = {name: step or (fork_steps or {}).get(name) for name, step in asked.items()}
    return ExpandedStudy(study, arms, programs, horizons, eval_every, forked, _runs(study, arms, horizons))


def _check_layout(layout: Layout) -> None:
    if layout.form is not None and layout.form not in FORMS:
        raise unknown_name("form", layout.form, FORMS)
    check_whole("width", layout.width, 1, MAX_SEEDS)


class _Loaded(NamedTuple):
    """Arms of one structure and with the same data, the first of them, and what was read."""

    names: list[str]
    arm: Arm
    data: dict[str, np.ndarray]
    task: Task
    notes: tuple[tasks.Note, ...]


def _loaded(study: Study, arms: Mapping[str, Arm], data_dir: str | None, is_quiet: bool) -> list[_Loaded]:
    """The arms by structure, with their data; what several need is read once."""
    by_structure: dict[tuple[Any, ...], list[str]] = {}
    for name, arm in arms.items():
        # A network that starts as it is written has another program for that.
        is_as_written = arm.init == AS_WRITTEN
        key = (*config.structure(arm).values(), *config.places(arm).values(), is_as_written)
        by_structure.setdefault(key, []).append(name)

    loaded: dict[tuple[Any, ...], dict[str, np.ndarray]] = {}
    readings: dict[tuple[Any, ...], tasks.Reading] = {}
    found = []
    for names in by_structure.values():
        arm = arms[names[0]]
        source = tasks.source_of(arm)
        if source not in loaded:
            reading = readings[source] = tasks.Reading(is_shown=not is_quiet)
            loaded[source] = tasks.load_data(arm, study.root_seed, data_dir, reading)
        task = tasks.build_task(arm, loaded[source])
        models.check_fit(arm, task.example_shape, task.num_outputs)
        checks.check_stream(study, names, arm, task)
        notes = tuple(readings[source].notes)
        found.append(_Loaded(names, arm, loaded[source], task, notes))
    return found


def _fills_core(arm: Arm, task: Task) -> bool:
    """Whether a single run keeps a CPU core busy: it has convolutions, or a step is long."""
    if arm.conv_widths:
        return True
    model = models.make_model(arm, task.num_outputs)
    example = jax.ShapeDtypeStruct((1, *task.example_shape), jnp.float32)
    params, state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), example)
    if arm.batch_size * sum(leaf.size for leaf in jax.tree.leaves(params)) > _LONG_STEP:
        return True
    # Of a registered network its fields have said so.
    is_own = is_reference(arm.model)
    return is_own and has_convolutions(model.batch_apply, params, state, example)


@contextlib.contextmanager
def spooled(plan: ExpandedStudy) -> Iterator[ExpandedStudy]:
    """The plan with data that stay on the host in files, of which all workers share one copy.

    Raises:
        StorageError: there is no room for them.
    """
    if not any(program.spec.arm.stream for program in plan.programs):
        yield plan
        return
    with tempfile.TemporaryDirectory(prefix="plateau-") as folder:
        programs = []
        for i, program in enumerate(plan.programs):
            spec = program.spec
            if spec.arm.stream:
                names = tasks.build_task(spec.arm, spec.data).streamed
                try:
                    data = spool(spec.data, names, Path(folder) / str(i))
                except OSError as error:
                    raise StorageError(
                        f"the training data cannot be kept in {tempfile.gettempdir()!r} "
                        f"({error.strerror or error}): make room, or set TMPDIR to another folder"
                    ) from error
                spec = spec._replace(data=data)
            programs.append(program._replace(spec=spec))
        yield plan._replace(programs=programs)


def _shared_program(
    study: Study, loaded: _Loaded, platform: str, layout: Layout, eval_every: int, diagnostics_every: int
) -> SharedProgram:
    names, arm, data, task, notes = loaded
    fills_core = _fills_core(arm, task)
    width = layout.width or default_width(platform, fills_core)
    has_diagnostics = study.has_diagnostics(names)
    spec = PoolSpec(
        arm=arm,
        data=data,
        root_seed=study.root_seed,
        width=width,
        block=layout.block or block_of(platform, fills_core, width),
        form=layout.form or default_form(platform),
        eval_every=eval_every,
        detector=study.detector,
        # A run that waits for a hit ends there; its curve says nothing of when that will be.
        stop=study.stop if task.is_hit is None else "horizon",
        diagnostics=study.diagnostics if has_diagnostics else (),
        diagnostics_every=diagnostics_every if has_diagnostics else 0,
    )
    event = Event.BREAK if task.is_hit is None else Event.HIT
    fingerprint = tasks.fingerprint(data)
    return SharedProgram(spec, names, task.chance_loss, task.steps_per_epoch, fingerprint, event, notes)


def _resolve_named(name: str, arm: Arm) -> Arm:
    try:
        return resolve_arm(arm)
    except InputError as error:
        raise InputError(f"arm {name!r}: {error}") from None


def _runs(study: Study, arms: Mapping[str, Arm], horizons: Mapping[str, int]) -> list[Run]:
    """The runs without a fork: one of each arm, then the next of each arm, and so on."""
    by_arm = []
    for name, arm in arms.items():
        cells = designs.unforked(study.design, study.seeds_by_arm[name], study.order_seeds)
        by_arm.append([_run(study, name, arm, cell, horizons[name], None) for cell in cells])
    turns = itertools.zip_longest(*by_arm)
    return [run for turn in turns for run in turn if run is not None]


def _run(study: Study, name: str, arm: Arm, cell: designs.Cell, horizon: int, fork_step: int | None) -> Run:
    return Run(
        arm_name=name,
        arm=arm,
        seed=cell.seed,
        init_seed=cell.init_seed if study.fix_init is None else study.fix_init,
        order_seed=cell.order_seed if study.fix_order is None else study.fix_order,
        noise_seed=cell.noise_seed,
        horizon=horizon,
        fork_step=fork_step,
        fork_order_seed=cell.fork_order_seed,
    )


def run_of(plan: ExpandedStudy, arm_name: str, noise_seed: int, fork_order_seed: int | None) -> Run | None:
    """The run of a study that an arm, its noise and its order after a fork name.

    Returns:
        `None` where the study has no such run, however many seeds it is given.
    """
    study, arm = plan.study, plan.arms.get(arm_name)
    cell = designs.cell_of(study.design, study.order_seeds, noise_seed, fork_order_seed)
    if arm is None or cell is None:
        return None
    step = None if fork_order_seed is None else plan.fork_steps[arm_name]
    return _run(study, arm_name, arm, cell, plan.horizons[arm_name], step)


def with_forks(plan: ExpandedStudy, parents: Mapping[str, ParentOutcomes]) -> ExpandedStudy:
    """The plan with forks in the place of the runs whose parents are over.

    Args:
        plan: of a study with forks.
        parents: by arm, what came of the parents.

    Returns:
        A plan with every fork step that can be known; arms without one have no forks. Only parents
        that were still waiting at the fork step are forked.
    """
    study, steps, runs = plan.study, {}, []
    for name, arm in plan.arms.items():
        seed, time, event = parents[name]
        step = plan.fork_steps[name] or designs.fork_step_of(time, event, plan.eval_every)
        steps[name] = step
        if step is None:
            continue
        still = set(seed[time > step].tolist())
        cells = designs.forked(study.design, study.seeds_by_arm[name], study.forks)
        runs += [_run(study, name, arm, cell, plan.horizons[name], step) for cell in cells if cell.seed in still]
    return plan._replace(fork_steps=steps, runs=runs)
