"""A pool of lanes, the one place where runs are batched: what a run computes depends on its own seeds alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from ..tasks import Data, build_task
from ..training.optimization import hyperparams
from ..training.own import OwnTrainer, trainer_of
from ..training.probes.measuring import obstacles
from ..training.trainer import Trainer
from .checkpoint import Checkpoint, LaneShapes, from_arrays, to_arrays, variables_to_arrays
from .compilation import compile_all
from .host_batches import Block, Stream, opened, streamed
from .lane import NO_FORK, Lane, Start, Status
from .memory import bytes_needed, check_data, too_wide
from .programs import SEGMENTS_PER_CHUNK, ChunkResult, Programs, empty, inside, with_key, without_keys
from .runs import FinishedRun, History, Run, copied, finish
from .spec import PoolSpec


class Chunk(NamedTuple):
    """A chunk that is over: its result, still on the device, and the status and the history of every lane.

    `weights` are those of the runs that are over and whose weights are kept, by path.
    """

    num_segments: int
    result: ChunkResult
    status: Status
    histories: list[History | None]
    weights: dict[Run, dict[str, np.ndarray]]


class LanePool:
    """Lanes of runs that share one structure: fill, advance, harvest, and fill again.

    `fill` and `advance` only dispatch work to the device. `harvest` waits for as little as the host must know to go
    on; `collect` may wait until the next chunk is under way. With a `stream`, the training data stay on the host: all
    lanes start together, are at the same step, and are filled again once all of them are free. Of the first `num_kept`
    seeds the weights are fetched at the end.
    """

    def __init__(
        self,
        spec: PoolSpec,
        trainer: Trainer | OwnTrainer,
        memory_limit: int | None = None,
        stream: Stream | None = None,
        num_kept: int = 0,
    ) -> None:
        check_data(spec, stream, memory_limit)
        self._num_kept = num_kept
        self.spec, self.task = spec, trainer.task
        self._trainer = trainer
        self._stream = stream
        self._data = jax.device_put(spec.data) if stream is None else stream.load(Block(0, 0))
        self._root_seed = np.uint32(spec.root_seed)
        self._histories: list[History | None] = [None] * spec.width
        self._steps = [0] * spec.width
        # A chunk that the device works on: its number of segments and its result.
        self._dispatched: tuple[int, ChunkResult] | None = None
        programs = Programs(trainer, spec, self._data)
        self._diagnostic_set = programs.diagnostic_set
        self._lanes: Lane = self._compile(programs, memory_limit)

    def _compile(self, programs: Programs, memory_limit: int | None) -> Lane:
        starts, is_new = self._start_shapes(), np.zeros(self.spec.width, bool)
        lanes = jax.eval_shape(programs.new_lanes, self._root_seed, starts)
        advance = jax.jit(programs.advance, donate_argnums=0).lower(lanes, is_new, np.int32(1), self._data)
        start = jax.jit(programs.start, donate_argnums=0).lower(lanes, is_new, self._root_seed, starts)
        result = advance.out_info[1]
        self._shapes = LaneShapes(
            inside(1, jax.eval_shape(without_keys, lanes)),
            inside(2, result.records),
            inside(1, result.measurements),
            inside(2, result.diagnostics),
            self.spec.segments_between_diagnostics,
        )
        compiled = compile_all({"advance": advance, "start": start})
        self._advance, self._start = compiled["advance"], compiled["start"]
        self.bytes_needed = bytes_needed(self._advance)
        if memory_limit is not None and self.bytes_needed > memory_limit:
            raise too_wide(self.spec, self.bytes_needed, memory_limit, self._data)
        return jax.device_put(jax.tree.map(empty, lanes))

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
        """Runs that reach their horizon in the dispatched chunk at the latest."""
        if self._dispatched is None:
            return 0
        reach = self._dispatched[0] * self.spec.eval_every
        return sum(left <= reach for left in self._remaining())

    def _remaining(self) -> list[int]:
        return [h.run.horizon - step for h, step in zip(self._histories, self._steps, strict=True) if h is not None]

    def fill(self, runs: Sequence[Run], checkpoints: Mapping[Run, Checkpoint] | None = None) -> list[Run]:
        """Puts runs into free lanes; returns those whose checkpoint does not fit the pool or the other runs' step."""
        free = [lane for lane, history in enumerate(self._histories) if history is None]
        chosen = dict(zip(free, runs, strict=False))
        held = {lane: (checkpoints or {}).get(run) for lane, run in chosen.items()}
        found = {lane: from_arrays(kept, self._shapes) for lane, kept in held.items() if kept is not None}
        resumed = {lane: content for lane, content in found.items() if content is not None}
        if self._stream is not None and not _are_at_one_step(resumed, len(chosen)):
            resumed = {}
        new = {lane: run for lane, run in chosen.items() if lane not in resumed}
        if new:
            self._begin(new)
        if resumed:
            self._restore(resumed)
        return [chosen[lane] for lane in found if lane not in resumed]

    def _begin(self, chosen: Mapping[int, Run]) -> None:
        first = next(iter(chosen.values()))
        if self._stream is not None:
            self._data = self._stream.load(Block(first.order_seed, 0))
        starts = self._starts([chosen.get(lane, first) for lane in range(self.spec.width)])
        is_new = np.isin(np.arange(self.spec.width), list(chosen))
        self._lanes = self._start(self._lanes, is_new, self._root_seed, starts)
        self._lanes, result = self._advance(self._lanes, is_new, np.int32(0), self._data)
        measured = jax.device_get(result.measurements)
        for lane, run in chosen.items():
            self._histories[lane] = History(run, [], [copied(measured, (lane,))], [])
            self._steps[lane] = 0

    def _restore(self, resumed: Mapping[int, tuple[Any, History]]) -> None:
        # On the host: a program that writes into lanes would have to be compiled first.
        lanes = jax.tree.map(np.array, jax.device_get(without_keys(self._lanes)))
        for index, (lane, history) in resumed.items():
            for leaf, value in zip(jax.tree.leaves(lanes), jax.tree.leaves(lane), strict=True):
                leaf[index] = value
            self._histories[index] = history
            self._steps[index] = history.last_step
        self._lanes = jax.tree.map(with_key, self._lanes, jax.device_put(lanes))

    def checkpoints(self) -> list[Checkpoint]:
        """Returns every run in a lane as it stands, between `collect` and the next `advance`."""
        lanes = jax.device_get(without_keys(self._lanes))
        return [
            Checkpoint(history.run, step, to_arrays(copied(lanes, (lane,)), history))
            for lane, (history, step) in enumerate(zip(self._histories, self._steps, strict=True))
            if history is not None
        ]

    def _start_shapes(self) -> Start:
        def per_lane(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((self.spec.width, *shape), dtype)

        seed, step = per_lane(np.uint32), per_lane(np.int32)
        laws = per_lane(np.float32, len(self._trainer.kept), 2)
        drawn = jax.tree.map(lambda leaf: per_lane(leaf.dtype, *leaf.shape[1:]), self._trainer.drawn_at((0,)))
        numbers = {name: per_lane(np.float32) for name in hyperparams(self.spec.arm)}
        return Start(seed, seed, seed, step, seed, laws, numbers, step, drawn)

    def _starts(self, runs: Sequence[Run]) -> Start:
        of_arm = {
            arm: (self._trainer.laws(str(arm.init), arm.options), hyperparams(arm)) for arm in {run.arm for run in runs}
        }
        laws, numbers = zip(*(of_arm[run.arm] for run in runs), strict=True)
        seeds = ("init_seed", "order_seed", "noise_seed", "fork_order_seed")
        return Start(
            **{name: np.asarray([getattr(run, name) or 0 for run in runs], np.uint32) for name in seeds},
            fork_step=np.asarray([NO_FORK if run.fork_step is None else run.fork_step for run in runs], np.int32),
            laws=np.stack(laws),
            hyperparams={name: np.asarray([n[name] for n in numbers], np.float32) for name in numbers[0]},
            horizon=np.asarray([run.horizon for run in runs], np.int32),
            drawn=self._trainer.drawn_at([run.init_seed for run in runs]),
        )

    def advance(self) -> None:
        """Sets all lanes going for one chunk, or less if every run is over before its end."""
        num_segments = min(SEGMENTS_PER_CHUNK, max(self._remaining()) // self.spec.eval_every)
        is_busy = np.asarray([history is not None for history in self._histories])
        if self._stream is not None:
            self._data = self._next_block(self._stream, num_segments)
        self._lanes, result = self._advance(self._lanes, is_busy, np.int32(num_segments), self._data)
        self._dispatched = num_segments, result

    def _next_block(self, stream: Stream, num_segments: int) -> Data:
        [block] = {Block(h.run.order_seed, s) for h, s in zip(self._histories, self._steps, strict=True) if h}
        data = stream.load(block)
        reach = num_segments * self.spec.eval_every
        if max(self._remaining()) > reach:
            stream.prefetch(Block(block.order_seed, block.first_step + reach))
        return data

    def harvest(self) -> Chunk:
        """Waits for the dispatched chunk; lanes whose run is over become free."""
        assert self._dispatched is not None
        num_segments, result = self._dispatched
        status = jax.device_get(result.status)
        self._steps = [int(step) for step in status.step]
        weights = self._weights([lane for lane in np.flatnonzero(status.is_over).tolist() if self._is_kept(lane)])
        chunk = Chunk(num_segments, result, status, self._histories, weights)
        self._histories = [None if over else h for h, over in zip(self._histories, status.is_over, strict=True)]
        self._dispatched = None
        return chunk

    def _is_kept(self, lane: int) -> bool:
        """Tells whether the weights of a lane's run are handed in: its seed is one of the first, and it is no fork."""
        history = self._histories[lane]
        return history is not None and history.run.seed < self._num_kept and history.run.fork_step is None

    def _weights(self, lanes: list[int]) -> dict[Run, dict[str, np.ndarray]]:
        """Fetches the weights of some lanes, before other runs take their place."""
        if not lanes:
            return {}
        held = self._lanes.train.params, self._lanes.train.model_state
        runs = {lane: history.run for lane in lanes if (history := self._histories[lane]) is not None}
        # One after the other: those of all lanes may not fit into the memory of the host.
        return {run: variables_to_arrays(*jax.device_get(_of_lane(held, lane))) for lane, run in runs.items()}

    def collect(self, chunk: Chunk) -> tuple[int, list[FinishedRun]]:
        """Fetches what a chunk left behind: the steps taken, summed over lanes, and the runs that are over."""
        result = chunk.result
        records, measurements, diagnostics = jax.device_get((result.records, result.measurements, result.diagnostics))
        num_active, finished = 0, []
        for lane, history in enumerate(chunk.histories):
            if history is None:
                continue
            # A run that is over stays over, so its active segments come first.
            active = int(np.sum(records.is_active[lane, : chunk.num_segments]))
            num_active += active
            history.records.append(copied(records, (lane, slice(active))))
            history.measurements.append(copied(measurements, (lane,)))
            if diagnostics is not None:
                times = int(np.sum(diagnostics.is_active[lane]))
                history.diagnostics.append(copied(diagnostics, (lane, slice(times))))
            if chunk.status.is_over[lane]:
                finished.append(finish(history, Status(*(a[lane] for a in chunk.status)), self._diagnostic_set))
        return num_active * self.spec.eval_every, finished


@jax.jit
def _of_lane(tree: Any, lane: jax.Array) -> Any:
    """Returns what one lane holds, random keys as their data."""
    return jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, lane, keepdims=False), without_keys(tree))


def _are_at_one_step(resumed: Mapping[int, tuple[Any, History]], num_runs: int) -> bool:
    """Tells whether all runs are at one step; those that are not resumed are at step 0."""
    steps = {history.last_step for _, history in resumed.values()}
    return len(steps) + (len(resumed) < num_runs) <= 1


def make_pool(spec: PoolSpec, memory_limit: int | None = None, num_kept: int = 0) -> LanePool:
    """Makes the pool of a spec, whose arm names its task and its model; errors as for `LanePool`."""
    spec = spec._replace(data=opened(spec.data))
    task, stream = build_task(spec.arm, spec.data), None
    if spec.arm.stream:
        task, stream = streamed(task), Stream(task, spec, SEGMENTS_PER_CHUNK)
    return LanePool(spec, trainer_of(spec.arm, task, spec.form), memory_limit, stream, num_kept)


def not_measured(spec: PoolSpec) -> dict[str, str]:
    """Returns why some of a pool's diagnostics do not exist for its arm, by name."""
    if not spec.diagnostics:
        return {}
    data = opened(spec.data)
    trainer = trainer_of(spec.arm, build_task(spec.arm, data), spec.form)
    assert isinstance(trainer, Trainer)
    return obstacles(trainer, spec.diagnostics, data, spec.diagnostics_every)
