"""What a lane does on the device: one run, from its start to its end, as pure functions.

A lane is a slot of the compiled program. Every lane starts at a chunk's beginning, advances by
whole segments, from one evaluation to the next, and is frozen once its run is over.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from engine import rng
from engine.config import Arm
from engine.diagnostics.measuring import DiagnosticSet
from engine.optimizers import Hyperparams
from engine.plateau import DetectorSettings
from engine.plateau.online import Watch, is_settled, observe, start_watch
from engine.tasks import Data
from engine.training import EvalInfo, InspectInfo, Keys, StepInfo, Trainer, TrainState

NOT_DIVERGED = -1
NOT_HIT = -1
NO_FORK = 2**31 - 1
STOPS = {
    "horizon": "every run lasts as long as it was asked to",
    "settled": "a run ends once it has left chance level, on held-out examples too, and its status "
    "is settled",
}


class PoolSpec(NamedTuple):
    """Everything that a pool is made from; runs of equal spec are bit-comparable.

    Attributes:
        arm: resolved; read for its structure only.
        data: host arrays of the task, or files of them.
        root_seed: of the study.
        width: number of lanes.
        block: lanes that are computed together; divides the width.
        form: of the convolutions, see `engine.lowering`.
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


class Monitor(NamedTuple):
    """Watches one run for its end.

    Attributes:
        horizon: steps after which it is over.
        loss_limit: above which a mini-batch's loss counts as blown up.
        num_high: steps for which it has been above that limit without a break.
        diverged_step: when it blew up, or `NOT_DIVERGED`.
        hitting_step: when the event of a task that has one of its own happened, or `NOT_HIT`.
        watch: of the online detector.
        has_left_held_out: whether it has been measured to leave its plateau on held-out examples; a
            run that learns by heart may yet come to what carries over.
        is_settled: whether it may be stopped early.
    """

    horizon: jax.Array
    loss_limit: jax.Array
    num_high: jax.Array
    diverged_step: jax.Array
    hitting_step: jax.Array
    watch: Watch
    has_left_held_out: jax.Array
    is_settled: jax.Array


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
    trainer: Trainer,
    diagnostic_set: DiagnosticSet | None,
    root_seed: jax.Array,
    start: Start,
    data: Data,
) -> Lane:
    """One run before anything was measured of it."""
    keys = Keys(
        rng.stream(root_seed, "init", start.init_seed),
        rng.stream(root_seed, "order", start.order_seed),
        rng.stream(root_seed, "noise", start.noise_seed),
    )
    monitor = Monitor(
        horizon=start.horizon,
        loss_limit=jnp.float32(jnp.inf),
        num_high=jnp.int32(0),
        diverged_step=jnp.int32(NOT_DIVERGED),
        hitting_step=jnp.int32(NOT_HIT),
        watch=start_watch(jnp.float32(0.0)),
        has_left_held_out=jnp.bool_(False),
        is_settled=jnp.bool_(False),
    )
    other = start.fork_order_seed
    fork = Fork(
        start.fork_step,
        rng.stream(root_seed, "order", other),
        rng.stream(root_seed, "noise", other),
    )
    train = trainer.init(keys, start.laws, start.hyperparams, data)
    memory = None if diagnostic_set is None else diagnostic_set.start(train)
    return Lane(train, fork, start.hyperparams, monitor, memory)


def measure_lane(
    trainer: Trainer, spec: PoolSpec, chance_loss: float, lane: Lane, data: Data
) -> tuple[Lane, Measurement]:
    """Everything that can be measured of a run where it stands; at step 0 its limits follow."""
    evaluation = trainer.evaluate(lane.train, data)
    limit = spec.detector.divergence_factor * jnp.maximum(chance_loss, evaluation.loss)
    is_finite = jnp.isfinite(evaluation.loss)
    opened = lane.monitor._replace(
        loss_limit=limit,
        diverged_step=jnp.where(is_finite, NOT_DIVERGED, 0).astype(jnp.int32),
        watch=start_watch(1.0 - evaluation.loss / chance_loss),
    )
    is_new = lane.train.step == 0
    monitor = jax.tree.map(lambda new, old: jnp.where(is_new, new, old), opened, lane.monitor)
    inspection = trainer.inspect(lane.train, data)
    if spec.stop == "settled":
        has_left = inspection.held_out_loss <= (1.0 - spec.detector.low) * chance_loss
        monitor = monitor._replace(has_left_held_out=monitor.has_left_held_out | has_left)
    return lane._replace(monitor=monitor), Measurement(lane.train.step, evaluation, inspection)


def is_over(lane: Lane) -> jax.Array:
    """Whether the run in a lane has ended."""
    monitor = lane.monitor
    has_diverged = monitor.diverged_step != NOT_DIVERGED
    has_hit = monitor.hitting_step != NOT_HIT
    return (lane.train.step >= monitor.horizon) | has_diverged | has_hit | monitor.is_settled


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


def advance_lane(
    trainer: Trainer, spec: PoolSpec, chance_loss: float, lane: Lane, data: Data
) -> tuple[Lane, Record]:
    """One run up to its next evaluation. A run that is over stays as it is."""
    start = _in_own_stream(lane)
    draws = trainer.draw(start, data, spec.eval_every)

    def body(carry: tuple[TrainState, Monitor], draw: Any) -> tuple[Any, jax.Array]:
        train, monitor = carry
        train, info = trainer.step(train, lane.hyperparams, data, draw)
        return (train, _watch_step(monitor, train.step, info, spec)), info.batch_loss

    (train, monitor), batch_loss = lax.scan(body, (start, lane.monitor), draws)
    evaluation = trainer.evaluate(train, data)
    monitor = _watch_evaluation(monitor, train.step, evaluation.loss / chance_loss, spec)
    is_active = ~is_over(lane)
    advanced = lane._replace(train=train, monitor=monitor)
    kept = jax.tree.map(lambda new, old: jnp.where(is_active, new, old), advanced, lane)
    return kept, Record(train.step, is_active, evaluation, batch_loss)


def _watch_step(monitor: Monitor, step: jax.Array, info: StepInfo, spec: PoolSpec) -> Monitor:
    """Notes a hit, and when the loss is not finite or has been above its limit for long enough."""
    batch_loss = info.batch_loss
    # The loss of a task with an event of its own may be as noisy as it likes.
    is_high = (info.is_hit is None) & (batch_loss > monitor.loss_limit)
    num_high = jnp.where(is_high, monitor.num_high + 1, 0)
    patience = spec.detector.divergence_steps
    first_high = step - patience
    diverged_step = jnp.where(
        ~jnp.isfinite(batch_loss),
        step - 1,
        jnp.where(num_high >= patience, first_high, NOT_DIVERGED),
    )
    is_first = monitor.diverged_step == NOT_DIVERGED
    if info.is_hit is not None:
        is_new = info.is_hit & (monitor.hitting_step == NOT_HIT)
        monitor = monitor._replace(hitting_step=jnp.where(is_new, step - 1, monitor.hitting_step))
    return monitor._replace(
        num_high=num_high,
        diverged_step=jnp.where(is_first, diverged_step, monitor.diverged_step),
    )


def _watch_evaluation(
    monitor: Monitor, step: jax.Array, relative_loss: jax.Array, spec: PoolSpec
) -> Monitor:
    """Notes an evaluation that is not finite, and where runs may stop early, a settled run."""
    is_lost = (monitor.diverged_step == NOT_DIVERGED) & ~jnp.isfinite(relative_loss)
    monitor = monitor._replace(diverged_step=jnp.where(is_lost, step, monitor.diverged_step))
    if spec.stop != "settled":
        return monitor
    watch = observe(monitor.watch, 1.0 - relative_loss, step, spec.detector)
    is_clear = is_settled(watch, spec.detector) & monitor.has_left_held_out
    return monitor._replace(watch=watch, is_settled=is_clear)


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
