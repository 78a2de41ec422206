"""A pool of lanes: the one place where runs are batched.

Runs are filled into free lanes, all lanes advance together in chunks, runs that are over are
harvested, and their lanes are filled again. What a run computes depends on its own seeds alone,
never on its lane, its neighbours or when it started.

Lanes are computed in blocks: the lanes of a block by one vectorised program, the blocks one after
another. On an accelerator all lanes are one block. A CPU core is fastest with blocks that fit its
cache, and a step of a seed then costs the same with one lane as with a thousand.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from engine.compilation import compile_all
from engine.config import Arm
from engine.errors import InputError
from engine.lane_program import (
    NO_FORK,
    Lane,
    Measurement,
    PoolSpec,
    Record,
    Start,
    Status,
    advance_lane,
    init_lane,
    is_over,
    measure_lane,
    status_of,
)
from engine.models import make_model
from engine.models.initial import leaf_scales
from engine.optimizers import hyperparams
from engine.runs import (
    Checkpoint,
    FinishedRun,
    History,
    Run,
    copied,
    finish,
    from_arrays,
    to_arrays,
)
from engine.tasks import Data, Task, build_task
from engine.training import Trainer, make_trainer

# Evaluations in a chunk: the host looks at the lanes this often.
SEGMENTS_PER_CHUNK = 8

_ACCELERATOR_WIDTH = 64
_DENSE_BLOCK = 8


class Chunk(NamedTuple):
    """What a chunk left behind; its arrays are still on the device.

    Attributes:
        num_segments: of the chunk.
        records: `[width, segments, …]`.
        measurements: at its end, `[width, …]`.
        status: of every lane at the end, on the host.
        histories: of the lanes, `None` where there is no run.
    """

    num_segments: int
    records: Record
    measurements: Measurement
    status: Status
    histories: list[History | None]


def default_width(platform: str, arm: Arm) -> int:
    """Lanes per worker for a resolved arm on a kind of device.

    On a CPU more lanes than a block bring nothing. The measurements are in BUILD_NOTES.md.
    """
    return _ACCELERATOR_WIDTH if platform != "cpu" else _cpu_block(arm)


def block_of(platform: str, arm: Arm, width: int) -> int:
    """Lanes that are computed together: a divisor of the width.

    One CPU core's cache is full with a single seed of a convolutional network; a dense one gains
    a little up to 8. On an accelerator all lanes are computed together.
    """
    return width if platform != "cpu" else math.gcd(width, _cpu_block(arm))


def _cpu_block(arm: Arm) -> int:
    return 1 if arm.conv_widths else _DENSE_BLOCK


class LanePool:
    """Lanes of runs that share one structure: fill, advance, harvest, and fill again.

    Work on the device is only dispatched by `fill` and `advance`; `harvest` waits for as little as
    the host must know to go on, and `collect` may wait until the next chunk is under way.

    Args:
        spec: what the pool is made from.
        task: of the spec.
        trainer: of the spec.
        memory_limit: bytes that the program may use, or `None`.

    Attributes:
        spec: what the pool is made from.
        num_free, num_busy: lanes without a run, and with one.
        num_ending: of those, the ones that end in the chunk that is under way.
        bytes_needed: by the compiled program, its arguments and results.

    Raises:
        InputError: the program would need more memory than there is.
    """

    def __init__(
        self, spec: PoolSpec, task: Task, trainer: Trainer, memory_limit: int | None = None
    ) -> None:
        programs = _Programs(trainer, task, spec)
        self.spec = spec
        self._param_shapes = trainer.param_shapes
        self._data = jax.device_put(spec.data)
        self._root_seed = np.uint32(spec.root_seed)
        self._histories: list[History | None] = [None] * spec.width
        self._steps = [0] * spec.width
        self._dispatched: tuple[int, Record, Measurement, Status] | None = None
        starts = self._starts([Run("", spec.arm, 0, 0, 0, 0, 0)] * spec.width)
        is_new = np.zeros(spec.width, bool)
        shapes = jax.eval_shape(programs.new_lanes, self._root_seed, starts, self._data)
        advance = jax.jit(programs.advance, donate_argnums=0)
        start = jax.jit(programs.start, donate_argnums=0)
        lowered = {
            "advance": advance.lower(shapes, is_new, np.int32(1), self._data),
            "start": start.lower(shapes, is_new, self._root_seed, starts, self._data),
        }
        _, record, measurement, _ = lowered["advance"].out_info
        lane = jax.eval_shape(_without_keys, shapes)
        self._shapes = ((1, lane), (2, record), (1, measurement))
        compiled = compile_all(lowered)
        self._advance, self._start = compiled["advance"], compiled["start"]
        self.bytes_needed = _bytes_needed(self._advance)
        if memory_limit is not None and self.bytes_needed > memory_limit:
            raise _too_wide(spec, self.bytes_needed, memory_limit, self._data)
        self._lanes: Lane = jax.device_put(jax.tree.map(_empty, shapes))

    @property
    def num_free(self) -> int:
        """Lanes without a run."""
        return sum(history is None for history in self._histories)

    @property
    def num_busy(self) -> int:
        """Lanes with a run."""
        return self.spec.width - self.num_free

    @property
    def num_ending(self) -> int:
        """Runs that reach their horizon in the chunk that was dispatched last, at the latest."""
        if self._dispatched is None:
            return 0
        reach = self._dispatched[0] * self.spec.eval_every
        return sum(left <= reach for left in self._remaining())

    def _remaining(self) -> list[int]:
        """Steps to the horizon of every run in a lane."""
        return [
            h.run.horizon - step
            for h, step in zip(self._histories, self._steps, strict=True)
            if h is not None
        ]

    def fill(
        self, runs: Sequence[Run], checkpoints: Mapping[Run, Checkpoint] | None = None
    ) -> list[Run]:
        """Puts runs into free lanes, at their start or where a checkpoint has left them.

        Args:
            runs: at most `num_free`, at least one.
            checkpoints: of some of them.

        Returns:
            Runs whose checkpoint is not one of this pool's; they start anew.
        """
        free = [lane for lane, history in enumerate(self._histories) if history is None]
        chosen = dict(zip(free, runs, strict=False))
        held = {lane: (checkpoints or {}).get(run) for lane, run in chosen.items()}
        opened = {lane: self._open(found) for lane, found in held.items() if found is not None}
        resumed = {lane: content for lane, content in opened.items() if content is not None}
        new = {lane: run for lane, run in chosen.items() if lane not in resumed}
        if new:
            self._begin(new)
        if resumed:
            self._restore(resumed)
        return [chosen[lane] for lane, content in opened.items() if content is None]

    def _begin(self, chosen: Mapping[int, Run]) -> None:
        """Initialises runs in lanes, and evaluates them at step 0."""
        first = next(iter(chosen.values()))
        starts = self._starts([chosen.get(lane, first) for lane in range(self.spec.width)])
        is_new = np.isin(np.arange(self.spec.width), list(chosen))
        self._lanes = self._start(self._lanes, is_new, self._root_seed, starts, self._data)
        self._lanes, _, measured, _ = self._advance(self._lanes, is_new, np.int32(0), self._data)
        measured = jax.device_get(measured)
        for lane, run in chosen.items():
            self._histories[lane] = History(run, [], [copied(measured, (lane,))])
            self._steps[lane] = 0

    def _open(self, checkpoint: Checkpoint) -> tuple[Any, History] | None:
        """A lane's leaves and a history, or `None` where they are not of this pool."""
        lane, record, measurement = (_inside(*shapes) for shapes in self._shapes)
        return from_arrays(checkpoint, lane, record, measurement)

    def _restore(self, resumed: Mapping[int, tuple[Any, History]]) -> None:
        """Puts runs into lanes where they were."""
        # On the host: a program that writes into lanes would have to be compiled first.
        lanes = jax.tree.map(np.array, jax.device_get(_without_keys(self._lanes)))
        for index, (lane, history) in resumed.items():

            def put(leaf: np.ndarray, value: np.ndarray, index: int = index) -> None:
                leaf[index] = value

            jax.tree.map(put, lanes, lane)
            self._histories[index] = history
            self._steps[index] = int(history.records[-1].step[-1])
        self._lanes = jax.tree.map(_with_key, self._lanes, jax.device_put(lanes))

    def checkpoints(self) -> list[Checkpoint]:
        """Every run in a lane as it stands, between `collect` and the next `advance`."""
        lanes = jax.device_get(_without_keys(self._lanes))
        return [
            Checkpoint(history.run, step, to_arrays(copied(lanes, (lane,)), history))
            for lane, (history, step) in enumerate(zip(self._histories, self._steps, strict=True))
            if history is not None
        ]

    def _starts(self, runs: Sequence[Run]) -> Start:
        """Arguments for every lane."""
        of_arm = {
            arm: (leaf_scales(self._param_shapes, arm.init, arm.init_scale), hyperparams(arm))
            for arm in {run.arm for run in runs}
        }
        scales, numbers = zip(*(of_arm[run.arm] for run in runs), strict=True)
        return Start(
            init_seed=np.asarray([run.init_seed for run in runs], np.uint32),
            order_seed=np.asarray([run.order_seed for run in runs], np.uint32),
            noise_seed=np.asarray([run.noise_seed for run in runs], np.uint32),
            fork_step=np.asarray(
                [NO_FORK if run.fork_step is None else run.fork_step for run in runs], np.int32
            ),
            fork_order_seed=np.asarray([run.fork_order_seed or 0 for run in runs], np.uint32),
            scales=np.stack(scales),
            hyperparams={
                name: np.asarray([n[name] for n in numbers], np.float32) for name in numbers[0]
            },
            horizon=np.asarray([run.horizon for run in runs], np.int32),
        )

    def advance(self) -> None:
        """Sets all lanes going for one chunk, or less where every run is over before."""
        num_segments = min(SEGMENTS_PER_CHUNK, max(self._remaining()) // self.spec.eval_every)
        is_busy = np.asarray([history is not None for history in self._histories])
        self._lanes, *left = self._advance(self._lanes, is_busy, np.int32(num_segments), self._data)
        self._dispatched = (num_segments, *left)

    def harvest(self) -> Chunk:
        """Waits for the chunk that was dispatched; lanes whose run is over become free."""
        assert self._dispatched is not None
        num_segments, records, measurements, status = self._dispatched
        status = jax.device_get(status)
        self._steps = [int(step) for step in status.step]
        chunk = Chunk(num_segments, records, measurements, status, list(self._histories))
        for lane, history in enumerate(self._histories):
            if history is not None and status.is_over[lane]:
                self._histories[lane] = None
        self._dispatched = None
        return chunk

    def collect(self, chunk: Chunk) -> tuple[int, list[FinishedRun]]:
        """Fetches what a chunk left behind.

        Returns:
            Steps that runs have taken, summed over lanes, and the runs that are over.
        """
        records, measurements = jax.device_get((chunk.records, chunk.measurements))
        num_active, finished = 0, []
        for lane, history in enumerate(chunk.histories):
            if history is None:
                continue
            # A run that is over stays over, so its segments are the first ones.
            active = int(np.sum(records.is_active[lane, : chunk.num_segments]))
            num_active += active
            history.records.append(copied(records, (lane, slice(active))))
            history.measurements.append(copied(measurements, (lane,)))
            if chunk.status.is_over[lane]:
                finished.append(finish(history, Status(*(a[lane] for a in chunk.status))))
        return num_active * self.spec.eval_every, finished


def make_pool(spec: PoolSpec, memory_limit: int | None = None) -> LanePool:
    """The pool of an arm whose task and model are found by their names.

    Arguments and errors as for `LanePool`.
    """
    task = build_task(spec.arm, spec.data)
    model = make_model(spec.arm, task.num_outputs)
    trainer = make_trainer(spec.arm, task, model, spec.form)
    return LanePool(spec, task, trainer, memory_limit)


class _Programs:
    """The programs of all lanes, made of those of one."""

    def __init__(self, trainer: Trainer, task: Task, spec: PoolSpec) -> None:
        self._trainer, self._spec = trainer, spec
        self._chance_loss = task.chance_loss

    def new_lanes(self, root_seed: jax.Array, starts: Start, data: Data) -> Lane:
        """A new run in every lane."""
        return jax.vmap(lambda start: init_lane(self._trainer, root_seed, start, data))(starts)

    def start(
        self, lanes: Lane, is_new: jax.Array, root_seed: jax.Array, starts: Start, data: Data
    ) -> Lane:
        """New runs in the lanes that `is_new` names; the others stay as they are."""

        def each(lane: Lane, is_new: jax.Array, start: Start) -> Lane:
            new = init_lane(self._trainer, root_seed, start, data)
            return jax.tree.map(lambda new, old: jnp.where(is_new, new, old), new, lane)

        def of_block(block: tuple[Lane, jax.Array, Start]) -> Lane:
            fill = self._over_block(each)
            return lax.cond(jnp.any(block[1]), lambda b: fill(*b), lambda b: b[0], block)

        return _by_block(of_block, (lanes, is_new, starts), self._spec)

    def advance(
        self, lanes: Lane, is_measured: jax.Array, num_segments: jax.Array, data: Data
    ) -> tuple[Lane, Record, Measurement, Status]:
        """Every lane up to `num_segments` evaluations further, and measured at the end."""
        trainer, spec = self._trainer, self._spec
        chance_loss = self._chance_loss
        over_block = self._over_block
        # Nested jit, so that asking for shapes and using them trace the functions only once.
        segment = jax.jit(
            over_block(lambda lane: advance_lane(trainer, spec, chance_loss, lane, data))
        )
        measure = jax.jit(
            over_block(lambda lane: measure_lane(trainer, spec, chance_loss, lane, data))
        )
        axis = 0 if spec.block == 1 else 1

        def of_block(
            block: tuple[Lane, jax.Array],
        ) -> tuple[Lane, Record, Measurement, Status]:
            lanes, is_measured = block
            record = jax.eval_shape(segment, lanes)[1]
            measurement = jax.eval_shape(measure, lanes)[1]

            def room(leaf: Any) -> jax.Array:
                shape = (*leaf.shape[:axis], SEGMENTS_PER_CHUNK, *leaf.shape[axis:])
                return jnp.zeros(shape, leaf.dtype)

            def goes_on(carry: tuple[jax.Array, Lane, Record]) -> jax.Array:
                return (carry[0] < num_segments) & ~jnp.all(over_block(is_over)(carry[1]))

            def body(carry: tuple[jax.Array, Lane, Record]) -> tuple[jax.Array, Lane, Record]:
                i, lanes, records = carry
                lanes, record = segment(lanes)

                def write(all: jax.Array, one: jax.Array) -> jax.Array:
                    return lax.dynamic_update_index_in_dim(all, one, i, axis)

                return i + 1, lanes, jax.tree.map(write, records, record)

            start = (jnp.int32(0), lanes, jax.tree.map(room, record))
            _, lanes, records = lax.while_loop(goes_on, body, start)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), measurement)
            lanes, measured = lax.cond(
                jnp.any(is_measured), measure, lambda lanes: (lanes, nothing), lanes
            )
            return lanes, records, measured, over_block(status_of)(lanes)

        return _by_block(of_block, (lanes, is_measured), spec)

    def _over_block(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn if self._spec.block == 1 else jax.vmap(fn)


def _by_block(fn: Callable[..., Any], lanes: Any, spec: PoolSpec) -> Any:
    """Applies a function of one block to all of them; leaves are `[width, …]` in and out."""
    if spec.block == spec.width > 1:
        return fn(lanes)
    if spec.block == 1:
        return lax.map(fn, lanes)
    blocks = jax.tree.map(lambda a: a.reshape(-1, spec.block, *a.shape[1:]), lanes)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), lax.map(fn, blocks))


def _inside(num_axes: int, shapes: Any) -> Any:
    """Shapes without their first axes."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[num_axes:], a.dtype), shapes)


def _without_keys(lanes: Any) -> Any:
    """Random keys as their data, which NumPy can hold."""

    def plain(leaf: Any) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(plain, lanes)


def _with_key(like: Any, leaf: jax.Array) -> jax.Array:
    """The key of some data, where the leaf that it is like is one."""
    is_key = jnp.issubdtype(like.dtype, jax.dtypes.prng_key)
    return jax.random.wrap_key_data(leaf, impl="threefry2x32") if is_key else leaf


def _empty(leaf: jax.ShapeDtypeStruct) -> Any:
    """Zeros, made on the host: every shape that is made on the device would be compiled first."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return _with_key(leaf, jax.device_put(np.zeros((*leaf.shape, 2), np.uint32)))
    return np.zeros(leaf.shape, leaf.dtype)


def _bytes_needed(program: Any) -> int:
    """By a compiled program, from XLA's own analysis; 0 where the backend has none."""
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    return int(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def _too_wide(spec: PoolSpec, needed: int, limit: int, data: Data) -> InputError:
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    per_lane = (needed - shared) / spec.width
    fitting = int((limit - shared) / per_lane)
    advice = f"--width={fitting} would fit" if fitting >= 1 else "not even one lane would fit"
    return InputError(
        f"width={spec.width} for model={spec.arm.model} needs {needed / 2**30:.1f} GiB, and "
        f"{limit / 2**30:.1f} GiB are there for a worker: {advice}"
    )
