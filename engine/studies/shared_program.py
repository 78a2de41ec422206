"""The compiled programs of a study: arms of one structure, with their data and the layout of their lanes."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import models, tasks, user_code
from ..arms import arm as config
from ..arms.arm import Arm
from ..errors import InputError
from ..lanes.programs import SEGMENTS_PER_CHUNK
from ..lanes.spec import PoolSpec, block_of, default_width
from ..models.initial import AS_WRITTEN
from ..models.lowering import default_form, has_convolutions
from ..outcomes.chance import ChanceOf
from ..outcomes.event import Event
from ..tasks.own_training import make_training
from ..training.optimization import hyperparams, make_optimizer
from ..training.optimizers.own import check_optimizer
from ..training.own import trainer_of
from ..training.probes.measuring import STEPS_AHEAD
from ..training.trainer import Trainer
from ..training.untrained import untrained_level
from ..user_code import is_reference
from . import checks
from .study import Study

# Evaluations from one measurement of all diagnostics to the next: they then cost less than a quarter.
_SEGMENTS_APART = 4
# Products of a number with a parameter in a step, above which a run gains nothing from others computed with it.
_LONG_STEP = 2**22


class SharedProgram(NamedTuple):
    """Arms that share lanes and a compiled program: they have one structure and the same data.

    `chance_loss` is in nats, `steps_per_epoch` `None` for a task without epochs, `fingerprint` the hash of the data,
    `event` what their runs wait for, `chance_of` whose loss counts as chance level, and `notes` what a person should
    know about the data.
    """

    spec: PoolSpec
    arm_names: list[str]
    chance_loss: float
    steps_per_epoch: int | None
    fingerprint: str
    event: Event
    chance_of: ChanceOf
    notes: tuple[tasks.Note, ...] = ()


class Layout(NamedTuple):
    """How the lanes of an arm are computed; the rule for the kind of device fills in what is `None`.

    `width` is the number of lanes of a worker, `block` that of lanes computed together, a divisor of it, and `form` the
    form of the convolutions, see `engine.models.lowering`.
    """

    width: int | None = None
    block: int | None = None
    form: str | None = None


class Structure(NamedTuple):
    """Arms of one structure and with the same data, the first of them, and what was read."""

    arm_names: list[str]
    arm: Arm
    data: dict[str, np.ndarray]
    task: tasks.Task
    chance_of: ChanceOf
    notes: tuple[tasks.Note, ...]


def load_structures(study: Study, arms: Mapping[str, Arm], data_dir: str | None, is_quiet: bool) -> list[Structure]:
    """Divides the arms by structure and loads their data; what several need is read once."""
    by_structure: dict[tuple[Any, ...], list[str]] = {}
    for name, arm in arms.items():
        # A network that starts as it is written has another program for its start.
        is_as_written = arm.init == AS_WRITTEN
        key = (*config.structure(arm).items(), *config.places(arm).items(), is_as_written)
        by_structure.setdefault(key, []).append(name)
    loaded: dict[tuple[Any, ...], tuple[dict[str, np.ndarray], tuple[tasks.Note, ...]]] = {}
    structures = []
    for names in by_structure.values():
        arm = arms[names[0]]
        source = tasks.source_of(arm)
        if source not in loaded:
            reading = tasks.Reading(is_shown=not is_quiet)
            loaded[source] = tasks.load_data(arm, study.root_seed, data_dir, reading), tuple(reading.notes)
        data, notes = loaded[source]
        task = tasks.build_task(arm, data)
        if arm.trainer is None:
            _check_choices(arm, task, data)
        elif study.has_diagnostics(names):
            raise InputError(f"diagnostics look into a network, and trainer={arm.trainer} does not show its own")
        trainer = trainer_of(arm, task, "native") if arm.start_from is not None else None
        if isinstance(trainer, Trainer) and trainer.loaded is not None:
            notes = (*notes, tasks.Note(trainer.loaded.words, is_caution=True))
        checks.check_stream(study, names, arm, task)
        chance_of = ChanceOf.CONSTANT if arm.trainer is None else ChanceOf.TRAINER
        structure = Structure(names, arm, data, task, chance_of, notes)
        structures += _with_levels(structure, arms) if math.isnan(task.chance_loss) else [structure]
    return structures


def _with_levels(structure: Structure, arms: Mapping[str, Arm]) -> list[Structure]:
    """Returns a structure for each start, with the level of its losses, of which no constant tells it."""
    by_start: dict[tuple[Any, ...], list[str]] = {}
    for name in structure.arm_names:
        by_start.setdefault(tuple(config.values_of(arms[name], "initial").items()), []).append(name)
    found = []
    for names in by_start.values():
        arm = arms[names[0]]
        with models.refusing_own_failures(arm):
            level = untrained_level(arm, structure.task, structure.data)
        reason = "the trainer names no chance_loss" if arm.trainer is not None else "no constant output tells it"
        note = tasks.Note(f"level of the losses: {level.words}, as {reason}", is_caution=True)
        data = {**structure.data, "chance_loss": np.asarray(level.loss)}
        task, notes = tasks.build_task(arm, data), (*structure.notes, note)
        found.append(Structure(names, arm, data, task, ChanceOf.UNTRAINED, notes))
    return found


def _check_choices(arm: Arm, task: tasks.Task, data: Mapping[str, np.ndarray]) -> None:
    """Raises InputError where an arm's network or optimiser does not fit its data."""
    with user_code.watched(arm.model):
        models.check_fit(arm, task.example_shape, task.num_outputs, task.num_positions)
        _check_tokens(arm, task, data)
        if task.mixup and models.takes_tokens(arm, task.example_shape, task.num_outputs):
            raise InputError(
                f"mixup={arm.mixup:g} has no meaning with inputs that are names, as tokens are: leave it out"
            )
    check_optimizer(arm, make_optimizer(arm), hyperparams(arm))


def _check_tokens(arm: Arm, task: tasks.Task, data: Mapping[str, np.ndarray]) -> None:
    """Raises InputError where a network takes tokens, and the inputs are no whole numbers."""
    inputs = task.evaluation(data)["loss"].inputs
    if np.array_equal(inputs, np.round(inputs)) or not models.takes_tokens(arm, task.example_shape, task.num_outputs):
        return
    raise InputError(
        f"model={arm.model} takes whole numbers, such as tokens, and the inputs of dataset={arm.dataset} have "
        f"fractions: --scaling=none leaves whole numbers as they are"
    )


def share_program(
    study: Study, structure: Structure, platform: str, layouts: Mapping[str, Layout], eval_every: int
) -> SharedProgram:
    """Describes the program of one structure: its lane pools, its task and the event that its runs wait for."""
    names, arm, data, task, chance_of, notes = structure
    layout = layouts.get(names[0], Layout())
    fills_core = _fills_core(arm, task)
    width = layout.width or default_width(platform, fills_core)
    has_diagnostics = study.has_diagnostics(names)
    spec = PoolSpec(
        arm=arm,
        data=data,
        root_seed=study.root_seed,
        width=width,
        block=layout.block or block_of(platform, fills_core, width),
        form=_form_of(arm, layout, platform),
        eval_every=eval_every,
        detector=study.detector,
        # A run that waits for a hit ends there; its curve says nothing about when that will be.
        stop=study.stop if task.event is Event.BREAK else "horizon",
        diagnostics=study.diagnostics if has_diagnostics else (),
        diagnostics_every=_diagnostics_every(study, eval_every) if has_diagnostics else 0,
        diagnostic_options=study.diagnostic_options if has_diagnostics else {},
    )
    fingerprint = tasks.fingerprint(data)
    return SharedProgram(spec, names, task.chance_loss, task.steps_per_epoch, fingerprint, task.event, chance_of, notes)


def _diagnostics_every(study: Study, eval_every: int) -> int:
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
            f"diagnostics_every={asked}: expected {', '.join(map(str, usable[:-1]))} or {usable[-1]}, which are "
            f"{', '.join(map(str, counts[:-1]))} and {counts[-1]} times eval_every={eval_every}"
        )
    return asked


def _form_of(arm: Arm, layout: Layout, platform: str) -> str:
    if arm.trainer is None:
        return layout.form or default_form(platform)
    if layout.form not in (None, "native"):
        raise InputError(f"form={layout.form} has no effect with trainer={arm.trainer}, which stays as it is written")
    return "native"


def _fills_core(arm: Arm, task: tasks.Task) -> bool:
    """Tells whether a single run keeps a CPU core busy: it has convolutions, or a step is long."""
    if arm.conv_widths:
        return True
    if arm.trainer is not None:
        training = make_training(arm, arm.learning_rate)
        key = jax.eval_shape(lambda: jax.random.key(0))
        state = jax.eval_shape(training.init, key)
        size = sum(leaf.size for leaf in jax.tree.leaves(state))
        return arm.batch_size * size > _LONG_STEP or has_convolutions(training.step, state, key)
    model = models.make_model(arm, task.example_shape, task.num_outputs)
    example = jax.ShapeDtypeStruct((1, *task.example_shape), jnp.float32)
    params, state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), example)
    if arm.batch_size * sum(leaf.size for leaf in jax.tree.leaves(params)) > _LONG_STEP:
        return True
    # A registered network declares its convolutions in its fields.
    return is_reference(arm.model) and has_convolutions(model.batch_apply, params, state, example)
