"""One run on the device, as pure functions: it advances by evaluation intervals, and stays as it is once it is over."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..models.initial import AS_WRITTEN
from ..tasks import Data, random_streams
from ..training import stopping
from ..training.optimization import Hyperparams
from ..training.own import OwnTrainer
from ..training.probes.measuring import DiagnosticSet
from ..training.stopping import Monitor, Rules
from ..training.trainer import EvalInfo, InspectInfo, Keys, Trainer, TrainState
from .spec import PoolSpec

NO_FORK = 2**31 - 1


class Fork(NamedTuple):
    """The first step at which a run leaves its parent's random streams, and the keys that it follows then."""

    step: jax.Array
    order_key: jax.Array
    noise_key: jax.Array


class Status(NamedTuple):
    """How a lane stands after a chunk: all that the host must know before the next one."""

    step: jax.Array
    is_over: jax.Array
    diverged_step: jax.Array
    hitting_step: jax.Array


class Lane(NamedTuple):
    """A run on the device; `memory` is what its diagnostics remember, `None` without any."""

    train: TrainState
    fork: Fork
    hyperparams: Hyperparams
    monitor: Monitor
    memory: Any = None

    def is_over(self) -> jax.Array:
        """Tells whether the run has ended."""
        return stopping.has_ended(self.monitor, self.train.step)

    def status(self) -> Status:
        """Returns how the lane stands."""
        return Status(self.train.step, self.is_over(), self.monitor.diverged_step, self.monitor.hitting_step)

    def state(self) -> TrainState:
        """Returns the state with the keys of the next segment: a fork's own from its fork step on."""
        is_forked = self.train.step >= self.fork.step
        return self.train._replace(
            order_key=jnp.where(is_forked, self.fork.order_key, self.train.order_key),
            noise_key=jnp.where(is_forked, self.fork.noise_key, self.train.noise_key),
        )


class Start(NamedTuple):
    """What the host gives for a new run; `drawn` is of `Trainer.drawn_at`, `fork_step` `NO_FORK` without a fork."""

    init_seed: Any
    order_seed: Any
    noise_seed: Any
    fork_step: Any
    fork_order_seed: Any
    laws: Any
    hyperparams: Mapping[str, Any]
    horizon: Any
    drawn: Any = None


class Record(NamedTuple):
    """What one segment of one lane leaves behind; `batch_loss` is `[eval_every]`."""

    step: jax.Array
    is_active: jax.Array
    evaluation: EvalInfo
    batch_loss: jax.Array


class DiagnosticValues(NamedTuple):
    """What the diagnostics of one lane found: values `[num_series]`."""

    step: jax.Array
    is_active: jax.Array
    values: jax.Array


class Measurement(NamedTuple):
    """What is measured of a lane before its first chunk and after every chunk."""

    step: jax.Array
    evaluation: EvalInfo
    inspection: InspectInfo


class LaneProgram:
    """The functions of one lane; none of them has a seed axis."""

    def __init__(self, trainer: Trainer | OwnTrainer, spec: PoolSpec, diagnostic_set: DiagnosticSet | None) -> None:
        self._trainer, self._spec, self._diagnostic_set = trainer, spec, diagnostic_set
        self._rules = Rules(spec.detector, spec.stop, trainer.task.chance_loss)

    def init(self, root_seed: jax.Array, start: Start) -> Lane:
        """Returns a run of which nothing was measured yet."""
        stream = functools.partial(random_streams.stream, root_seed)
        seeds = (start.init_seed, start.order_seed, start.noise_seed)
        init, order, noise = map(stream, ("init", "order", "noise"), seeds)
        if self._spec.arm.init == AS_WRITTEN:
            # Seed 3 starts where the network starts by itself with jax.random.key(3).
            init = random_streams.root_key(start.init_seed)
        keys = Keys(init, order, noise)
        monitor = stopping.start_monitor(start.horizon)
        other = start.fork_order_seed
        fork = Fork(start.fork_step, stream("order", other), stream("noise", other))
        train = self._trainer.init(keys, start.laws, start.hyperparams, start.drawn)
        memory = None if self._diagnostic_set is None else self._diagnostic_set.start(train)
        return Lane(train, fork, start.hyperparams, monitor, memory)

    def measure(self, lane: Lane, data: Data) -> tuple[Lane, Measurement]:
        """Measures everything of a run where it stands; at step 0 this sets its limits."""
        step = lane.train.step
        evaluation = self._trainer.evaluate(lane.train, data)
        inspection = self._trainer.inspect(lane.train, data)
        monitor = stopping.watch_measurement(lane.monitor, step, evaluation.loss, inspection.held_out_loss, self._rules)
        return lane._replace(monitor=monitor), Measurement(step, evaluation, inspection)

    def diagnose(self, lane: Lane, data: Data) -> tuple[Any, DiagnosticValues]:
        """Returns the new memory of the diagnostics and their values, before a segment."""
        assert self._diagnostic_set is not None
        state = lane.state()
        draws = self._trainer.draw(state, data, self._spec.eval_every)
        memory, values = self._diagnostic_set.measure(lane.memory, state, lane.hyperparams, data, draws)
        return memory, DiagnosticValues(lane.train.step, ~lane.is_over(), values)

    def advance(self, lane: Lane, data: Data) -> tuple[Lane, Record]:
        """Trains a run up to its next evaluation; a run that is over stays as it is."""
        start = lane.state()
        draws = self._trainer.draw(start, data, self._spec.eval_every)

        def body(carry: tuple[TrainState, Monitor], draw: Any) -> tuple[Any, jax.Array]:
            train, monitor = carry
            train, info, *_ = self._trainer.step(train, lane.hyperparams, data, draw)
            return (train, stopping.watch_step(monitor, train.step, info, self._rules)), info.batch_loss

        (train, monitor), batch_loss = lax.scan(body, (start, lane.monitor), draws)
        evaluation = self._trainer.evaluate(train, data)
        monitor = stopping.watch_evaluation(monitor, train.step, evaluation.loss, self._rules)
        is_active = ~lane.is_over()
        advanced = lane._replace(train=train, monitor=monitor)
        kept = jax.tree.map(lambda new, old: jnp.where(is_active, new, old), advanced, lane)
        return kept, Record(train.step, is_active, evaluation, batch_loss)
