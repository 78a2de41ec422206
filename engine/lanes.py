"""A pool of vectorised lanes: the one place where runs are batched.

A lane is a slot of one compiled program. Runs are filled into free lanes, all lanes advance
together in chunks, runs that are over are harvested, and their lanes are filled again. What a run
computes depends on its own seeds alone, never on its lane, its neighbours or when it started.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from engine import rng
from engine.config import Arm
from engine.models import make_model
from engine.models.initial import leaf_scales
from engine.optimizers import Hyperparams, hyperparams
from engine.plateau import DetectorSettings
from engine.tasks import Data, build_task
from engine.training import EvalInfo, Keys, Trainer, TrainState, make_trainer

# Evaluations in a chunk: the host looks at the lanes this often.
SEGMENTS_PER_CHUNK = 8


class Run(NamedTuple):
    """One training: an arm, its seeds, and how long it lasts."""

    arm_name: str
    arm: Arm
    seed: int
    init_seed: int
    order_seed: int
    noise_seed: int
    horizon: int


class FinishedRun(NamedTuple):
    """A run that is over.

    Attributes:
        run: which.
        steps: at which the curves were evaluated, shape `[num_points]`, from 0; before the
            divergence where there was one.
        curves: evaluated metrics by name, each `[num_points]`.
        batch_loss: loss of every mini-batch, shape `[num_steps]`.
        diverged_step: when it diverged, or `None`.
    """

    run: Run
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    batch_loss: np.ndarray
    diverged_step: int | None


class PoolSpec(NamedTuple):
    """Everything that a pool is made from; runs of equal spec are bit-comparable.

    Attributes:
        arm: resolved; read for its structure only.
        data: host arrays of the task.
        root_seed: of the study.
        width: number of lanes.
        form: of the convolutions, see `engine.lowering`.
        eval_every: steps between evaluations.
        detector: its rule of divergence is applied while training.
    """

    arm: Arm
    data: dict[str, np.ndarray]
    root_seed: int
    width: int
    form: str
    eval_every: int
    detector: DetectorSettings


class _Monitor(NamedTuple):
    """Watches one run for its end."""

    horizon: jax.Array
    loss_limit: jax.Array
    num_high: jax.Array
    diverged_step: jax.Array


class _Lane(NamedTuple):
    train: TrainState
    hyperparams: Hyperparams
    monitor: _Monitor


class _Start(NamedTuple):
    """What the host gives for each run that starts."""

    init_seed: Any
    order_seed: Any
    noise_seed: Any
    scales: Any
    hyperparams: Mapping[str, Any]
    horizon: Any


class _Record(NamedTuple):
    """What one segment of one lane leaves behind."""

    step: jax.Array
    is_active: jax.Array
    evaluation: EvalInfo
    batch_loss: jax.Array


_NOT_DIVERGED = -1


def default_width(platform: str, arm: Arm) -> int:
    """Lanes per worker for a resolved arm on a kind of device.

    On one CPU core a convolutional network fills the cache with a single seed, and every further
    lane makes all of them slower; a dense network gains a little up to 8. The measurements are in
    BUILD_NOTES.md.
    """
    if platform != "cpu":
        return 64
    return 1 if arm.conv_widths else 8


def _is_over(lane: _Lane) -> jax.Array:
    monitor = lane.monitor
    return (lane.train.step >= monitor.horizon) | (monitor.diverged_step != _NOT_DIVERGED)


def _start_lane(
    trainer: Trainer,
    spec: PoolSpec,
    chance_loss: float,
    streams: Keys,
    start: _Start,
    data: Data,
) -> tuple[_Lane, _Record]:
    """One run at step 0, and its evaluation there."""
    keys = Keys(
        jax.random.fold_in(streams.init, start.init_seed),
        jax.random.fold_in(streams.order, start.order_seed),
        jax.random.fold_in(streams.noise, start.noise_seed),
    )
    train = trainer.init(keys, start.scales, start.hyperparams, data)
    evaluation = trainer.evaluate(train, data)
    limit = spec.detector.divergence_factor * jnp.maximum(chance_loss, evaluation.loss)
    is_finite = jnp.isfinite(evaluation.loss)
    monitor = _Monitor(
        horizon=start.horizon,
        loss_limit=limit,
        num_high=jnp.int32(0),
        diverged_step=jnp.where(is_finite, _NOT_DIVERGED, 0).astype(jnp.int32),
    )
    lane = _Lane(train, start.hyperparams, monitor)
    nothing = jnp.zeros((spec.eval_every,), jnp.float32)
    return lane, _Record(train.step, jnp.bool_(True), evaluation, nothing)


def _advance_lane(
    trainer: Trainer, spec: PoolSpec, lane: _Lane, data: Data
) -> tuple[_Lane, _Record]:
    """One run up to its next evaluation. A run that is over stays as it is."""
    draws = trainer.draw(lane.train, data, spec.eval_every)

    def body(carry: tuple[TrainState, _Monitor], draw: Any) -> tuple[Any, jax.Array]:
        train, monitor = carry
        train, info = trainer.step(train, lane.hyperparams, data, draw)
        return (train, _watch(monitor, train.step, info.batch_loss, spec)), info.batch_loss

    (train, monitor), batch_loss = lax.scan(body, (lane.train, lane.monitor), draws)
    evaluation = trainer.evaluate(train, data)
    is_lost = (monitor.diverged_step == _NOT_DIVERGED) & ~jnp.isfinite(evaluation.loss)
    monitor = monitor._replace(diverged_step=jnp.where(is_lost, train.step, monitor.diverged_step))
    is_active = ~_is_over(lane)
    advanced = _Lane(train, lane.hyperparams, monitor)
    kept = jax.tree.map(lambda new, old: jnp.where(is_active, new, old), advanced, lane)
    return kept, _Record(train.step, is_active, evaluation, batch_loss)


def _watch(monitor: _Monitor, step: jax.Array, batch_loss: jax.Array, spec: PoolSpec) -> _Monitor:
    """Notes when the loss is not finite, or has been above its limit for long enough."""
    num_high = jnp.where(batch_loss > monitor.loss_limit, monitor.num_high + 1, 0)
    patience = spec.detector.divergence_steps
    first_high = step - patience
    diverged_step = jnp.where(
        ~jnp.isfinite(batch_loss),
        step - 1,
        jnp.where(num_high >= patience, first_high, _NOT_DIVERGED),
    )
    is_first = monitor.diverged_step == _NOT_DIVERGED
    return monitor._replace(
        num_high=num_high,
        diverged_step=jnp.where(is_first, diverged_step, monitor.diverged_step),
    )


class LanePool:
    """Lanes of runs that share one structure: fill, advance, harvest, and fill again.

    Args:
        spec: what the pool is made from.

    Attributes:
        num_free: lanes without a run.
    """

    def __init__(self, spec: PoolSpec) -> None:
        task = build_task(spec.arm, spec.data)
        model = make_model(spec.arm, task.num_outputs)
        trainer = make_trainer(spec.arm, task, model, spec.form)
        self._spec = spec
        self._param_shapes = trainer.param_shapes
        self._data = jax.device_put(spec.data)
        self._streams = Keys(*(rng.role_key(spec.root_seed, role) for role in Keys._fields))
        self._runs: list[Run | None] = [None] * spec.width
        self._records: list[list[_Record]] = [[] for _ in range(spec.width)]
        self._lanes: _Lane | None = None

        start_lane = jax.vmap(
            lambda streams, start, data: _start_lane(
                trainer, spec, task.chance_loss, streams, start, data
            ),
            (None, 0, None),
        )

        def merge(is_new: jax.Array, fresh: _Lane, lanes: _Lane) -> _Lane:
            def choose(new: jax.Array, old: jax.Array) -> jax.Array:
                return jnp.where(is_new.reshape(-1, *[1] * (new.ndim - 1)), new, old)

            return jax.tree.map(choose, fresh, lanes)

        def advance(lanes: _Lane, num_segments: jax.Array, data: Data) -> tuple[_Lane, _Record]:
            segment = jax.vmap(
                lambda lane, data: _advance_lane(trainer, spec, lane, data), (0, None)
            )
            shapes = jax.eval_shape(segment, lanes, data)[1]
            records = jax.tree.map(
                lambda leaf: jnp.zeros((SEGMENTS_PER_CHUNK, *leaf.shape), leaf.dtype), shapes
            )

            def body(i: jax.Array, carry: tuple[_Lane, _Record]) -> tuple[_Lane, _Record]:
                lanes, records = carry
                lanes, record = segment(lanes, data)
                return lanes, jax.tree.map(lambda all, one: all.at[i].set(one), records, record)

            return lax.fori_loop(0, num_segments, body, (lanes, records))

        self._start = jax.jit(start_lane)
        self._merge = jax.jit(merge, donate_argnums=2)
        self._advance = jax.jit(advance, donate_argnums=0)

    @property
    def num_free(self) -> int:
        """Lanes without a run."""
        return sum(run is None for run in self._runs)

    def fill(self, runs: Sequence[Run]) -> None:
        """Starts runs in free lanes: initialises them and evaluates them at step 0.

        Args:
            runs: at most `num_free`.
        """
        free = [lane for lane, run in enumerate(self._runs) if run is None]
        chosen = free[: len(runs)]
        for lane, run in zip(chosen, runs, strict=True):
            self._runs[lane] = run
        fresh, record = self._start(self._streams, self._starts(runs[0]), self._data)
        if self._lanes is None:
            self._lanes = fresh
        else:
            is_new = np.isin(np.arange(self._spec.width), chosen)
            self._lanes = self._merge(is_new, fresh, self._lanes)
        record = jax.device_get(record)
        for lane in chosen:
            self._records[lane] = [jax.tree.map(lambda leaf, lane=lane: leaf[lane], record)]

    def _starts(self, filler: Run) -> _Start:
        """Arguments for every lane. A free lane gets the filler's numbers and no step to take."""
        runs = [run or filler._replace(horizon=0) for run in self._runs]
        scales = [leaf_scales(self._param_shapes, r.arm.init, r.arm.init_scale) for r in runs]
        numbers = [hyperparams(run.arm) for run in runs]
        return _Start(
            init_seed=np.asarray([run.init_seed for run in runs], np.uint32),
            order_seed=np.asarray([run.order_seed for run in runs], np.uint32),
            noise_seed=np.asarray([run.noise_seed for run in runs], np.uint32),
            scales=np.stack(scales),
            hyperparams={
                name: np.asarray([n[name] for n in numbers], np.float32) for name in numbers[0]
            },
            horizon=np.asarray([run.horizon for run in runs], np.int32),
        )

    def advance(self) -> int:
        """Advances all lanes by one chunk, or less where every run is over before.

        Returns:
            Steps that runs have taken, summed over lanes.
        """
        remaining = [
            run.horizon - int(self._records[lane][-1].step)
            for lane, run in enumerate(self._runs)
            if run is not None
        ]
        num_segments = min(SEGMENTS_PER_CHUNK, max(remaining) // self._spec.eval_every)
        self._lanes, records = self._advance(self._lanes, np.int32(num_segments), self._data)
        records = jax.device_get(records)
        num_active = 0
        for lane, run in enumerate(self._runs):
            for segment in range(num_segments):
                if run is not None and records.is_active[segment, lane]:
                    num_active += 1
                    self._records[lane].append(
                        jax.tree.map(lambda a, s=segment, lane=lane: np.array(a[s, lane]), records)
                    )
        return num_active * self._spec.eval_every

    def harvest(self) -> list[FinishedRun]:
        """The runs that are over; their lanes become free."""
        assert self._lanes is not None
        diverged = np.asarray(self._lanes.monitor.diverged_step)
        step = np.asarray(self._lanes.train.step)
        finished = []
        for lane, run in enumerate(self._runs):
            if run is None:
                continue
            has_diverged = diverged[lane] != _NOT_DIVERGED
            if has_diverged or step[lane] >= run.horizon:
                diverged_step = int(diverged[lane]) if has_diverged else None
                finished.append(_finish(run, self._records[lane], diverged_step))
                self._runs[lane] = None
                self._records[lane] = []
        return finished


def _finish(run: Run, records: list[_Record], diverged_step: int | None) -> FinishedRun:
    batch_loss = [record.batch_loss for record in records[1:]]
    if diverged_step is not None:
        records = [records[0], *(r for r in records[1:] if r.step < diverged_step)]
    evaluations = [record.evaluation for record in records]
    curves = {
        name: np.asarray([getattr(e, name) for e in evaluations], np.float32)
        for name in EvalInfo._fields
        if getattr(evaluations[0], name) is not None
    }
    return FinishedRun(
        run=run,
        steps=np.asarray([int(record.step) for record in records], np.int64),
        curves=curves,
        batch_loss=np.concatenate(batch_loss) if batch_loss else np.zeros(0, np.float32),
        diverged_step=diverged_step,
    )
