"""What a lane does on the device: one run, from its start to its end, as pure functions.

A lane is a slot of the compiled program. Every lane starts at a chunk's beginning, advances by
whole segments, from one evaluation to the next, and is frozen once its run is over.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from engine.arms.arm import Arm
from engine.outcomes import DetectorSettings
from engine.tasks import Data, random_streams
from engine.training.optimization import Hyperparams
from engine.training.probes.measuring import DiagnosticSet
from engine.training.stopping import (
    Monitor,
    Rules,
    has_ended,
    start_monitor,
    watch_evaluation,
    watch_measurement,
    watch_step,
)
from engine.training.trainer import EvalInfo, InspectInfo, Keys, Trainer, TrainState

NO_FORK = 2**31 - 1


class PoolSpec(NamedTuple):
    """Everything that a pool is made from; runs of equal spec are bit-comparable.

    Attributes:
        arm: resolved; read for its structure only.
        data: host arrays of the task, or files of them.
        root_seed: of the study.
        width: number of lanes.
        block: lanes that are computed together; divides the width.
        form: of the convolutions, see `engine.models.lowering`.
        eval_every: steps between evaluations.
        detector: its rules are applied while training.
        stop: one of `STOPS`.
        diagnostics: names of those that are measured.
        diagnostics_every: steps from one measurement of these to the next: 1, 2, 4 or 8 evaluation
            intervals; 0 where nothing is.
    """

    arm: Arm
    data: dict[str, Any]
    root_seed: int
    width: int
    block: int
    form: str
    eval_every: int
    detector: DetectorSettings
    stop: str = "horizon"
    diagnostics: tuple[str, ...] = ()
    diagnostics_every: int = 0


class Fork(NamedTuple):
    """Where a run leaves the random streams of its parent.

    Attributes:
        step: from which on they are others, a multiple of the evaluation interval.
        order_key, noise_key: of the other data order, and of the other noise.
    """

    step: jax.Array
    order_key: jax.Array
    noise_key: jax.Array


class Lane(NamedTuple):
    """A run on the device; `memory` is what its diagnostics keep, `None` without any."""

    train: TrainState
    fork: Fork
    hyperparams: Hyperparams
    monitor: Monitor
    memory: Any = None


class Start(NamedTuple):
    """What the host gives for a run that starts."""

    init_seed: Any
    order_seed: Any
    noise_seed: Any
    fork_step: Any
    fork_order_seed: Any
    laws: Any
    hyperparams: Mapping[str, Any]
    horizon: Any


class Record(NamedTuple):
    """What one segment of one lane leaves behind."""

    step: jax.Array
    is_active: jax.Array
    evaluation: EvalInfo
    batch_loss: jax.Array


class DiagnosticValues(NamedTuple):
    """What the diagnostics of one lane have found: values `[num_series]`."""

    step: jax.Array
    is_active: jax.Array
    values: jax.Array


class Measurement(NamedTuple):
    """What is measured where a lane stands when a chunk ends, and before its first one."""

    step: jax.Array
    evaluation: EvalInfo
    inspection: InspectInfo


class Status(NamedTuple):
    """How a lane stands after a chunk: all that the host must know before the next one."""

    step: jax.Array
    is_over: jax.Array
    diverged_step: jax.Array
    hitting_step: jax.Array
    is_settled: jax.Array


def init_lane(
    trainer: Trainer, diagnostic_set: DiagnosticSet | None, root_seed: jax.Array, start: Start, data: Data
) -> Lane:
    """One run before anything was measured of it."""
    keys = Keys(
        random_streams.stream(root_seed, "init", start.init_seed),
        random_streams.stream(root_seed, "order", start.order_seed),
        random_streams.stream(root_seed, "noise", start.noise_seed),
    )
    monitor = start_monitor(start.horizon)
    other = start.fork_order_seed
    fork = Fork(
        start.fork_step,
        random_streams.stream(root_seed, "order", other),
        random_streams.stream(root_seed, "noise", other),
    )
    train = trainer.init(keys, start.laws, start.hyperparams, data)
    memory = None if diagnostic_set is None else diagnostic_set.start(train)
    return Lane(train, fork, start.hyperparams, monitor, memory)


def measure_lane(
    trainer: Trainer, spec: PoolSpec, chance_loss: float, lane: Lane, data: Data
) -> tuple[Lane, Measurement]:
    """Everything that can be measured of a run where it stands; at step 0 its limits follow."""
    evaluation = trainer.evaluate(lane.train, data)
    rules = Rules(spec.detector, spec.stop, chance_loss)
    inspection = trainer.inspect(lane.train, data)
    monitor = watch_measurement(lane.monitor, lane.train.step, evaluation.loss, inspection.held_out_loss, rules)
    return lane._replace(monitor=monitor), Measurement(lane.train.step, evaluation, inspection)


def is_over(lane: Lane) -> jax.Array:
    """Whether the run in a lane has ended."""
    return has_ended(lane.monitor, lane.train.step)


def diagnostics_of_lane(
    trainer: Trainer, spec: PoolSpec, diagnostic_set: DiagnosticSet, lane: Lane, data: Data
) -> tuple[Any, DiagnosticValues]:
    """Its diagnostics where a run stands, before a segment; what they keep, and what they say."""
    state = _in_own_stream(lane)
    draws = trainer.draw(state, data, spec.eval_every)
    memory, values = diagnostic_set.measure(lane.memory, state, lane.hyperparams, data, draws)
    return memory, DiagnosticValues(lane.train.step, ~is_over(lane), values)


def _in_own_stream(lane: Lane) -> TrainState:
    """The state with the keys of the next segment: a fork's own, once it has left its parent."""
    is_forked = lane.train.step >= lane.fork.step
    return lane.train._replace(
        order_key=jnp.where(is_forked, lane.fork.order_key, lane.train.order_key),
        noise_key=jnp.where(is_forked, lane.fork.noise_key, lane.train.noise_key),
    )


def advance_lane(trainer: Trainer, spec: PoolSpec, chance_loss: float, lane: Lane, data: Data) -> tuple[Lane, Record]:
    """One run up to its next evaluation. A run that is over stays as it is."""
    start = _in_own_stream(lane)
    draws = trainer.draw(start, data, spec.eval_every)
    rules = Rules(spec.detector, spec.stop, chance_loss)

    def body(carry: tuple[TrainState, Monitor], draw: Any) -> tuple[Any, jax.Array]:
        train, monitor = carry
        train, info = trainer.step(train, lane.hyperparams, data, draw)
        return (train, watch_step(monitor, train.step, info, rules)), info.batch_loss

    (train, monitor), batch_loss = lax.scan(body, (start, lane.monitor), draws)
    evaluation = trainer.evaluate(train, data)
    monitor = watch_evaluation(monitor, train.step, evaluation.loss, rules)
    is_active = ~is_over(lane)
    advanced = lane._replace(train=train, monitor=monitor)
    kept = jax.tree.map(lambda new, old: jnp.where(is_active, new, old), advanced, lane)
    return kept, Record(train.step, is_active, evaluation, batch_loss)


def status_of(lane: Lane) -> Status:
    """How a lane stands."""
    monitor = lane.monitor
    return Status(
        step=lane.train.step,
        is_over=is_over(lane),
        diverged_step=monitor.diverged_step,
        hitting_step=monitor.hitting_step,
        is_settled=monitor.is_settled,
    )
