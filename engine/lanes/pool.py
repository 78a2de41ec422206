"""A pool of lanes: the one place where runs are batched.

Runs are filled into free lanes, all lanes advance together in chunks, runs that are over are
harvested, and their lanes are filled again. What a run computes depends on its own seeds alone,
never on its lane, its neighbours or when it started.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from engine.lanes.compilation import compile_all
from engine.lanes.host_batches import Stream, opened, streamed
from engine.lanes.lane import NO_FORK, DiagnosticValues, Lane, Measurement, PoolSpec, Record, Start, Status
from engine.lanes.memory import bytes_needed, check_data, too_wide
from engine.lanes.programs import (
    SEGMENTS_PER_CHUNK,
    Programs,
    diagnostics_spec_of,
    empty,
    inside,
    with_key,
    without_keys,
)
from engine.lanes.runs import Checkpoint, FinishedRun, History, Run, Shapes, copied, finish, from_arrays, to_arrays
from engine.models import make_model
from engine.models.initial import leaf_laws
from engine.tasks import Data, Task, build_task
from engine.training.optimization import hyperparams
from engine.training.probes.measuring import obstacles
from engine.training.trainer import Trainer, make_trainer

_ACCELERATOR_WIDTH = 64
_SMALL_BLOCK = 8


class Chunk(NamedTuple):
    """What a chunk left behind; its arrays are still on the device.

    Attributes:
        num_segments: of the chunk.
        records: `[width, segments, …]`.
        measurements: at its end, `[width, …]`.
        status: of every lane at the end, on the host.
        histories: of the lanes, `None` where there is no run.
        diagnostics: `[width, times, …]`, or `None`.
    """

    num_segments: int
    records: Record
    measurements: Measurement
    status: Status
    histories: list[History | None]
    diagnostics: DiagnosticValues | None


def default_width(platform: str, fills_core: bool) -> int:
    """Lanes per worker for a network on a kind of device.

    On a CPU more lanes than a block bring nothing. The measurements are in BUILD_NOTES.md.
    """
    return _ACCELERATOR_WIDTH if platform != "cpu" else _cpu_block(fills_core)


def block_of(platform: str, fills_core: bool, width: int) -> int:
    """Lanes that are computed together: a divisor of the width.

    One run may fill a CPU core and its cache; smaller ones gain up to a fifth from company, up to
    8 of them. On an accelerator all lanes are computed together.
    """
    return width if platform != "cpu" else math.gcd(width, _cpu_block(fills_core))


def _cpu_block(fills_core: bool) -> int:
    return 1 if fills_core else _SMALL_BLOCK


class LanePool:
    """Lanes of runs that share one structure: fill, advance, harvest, and fill again.

    Work on the device is only dispatched by `fill` and `advance`; `harvest` waits for as little as
    the host must know to go on, and `collect` may wait until the next chunk is under way.

    Args:
        spec: what the pool is made from.
        task: of the spec.
        trainer: of the spec.
        memory_limit: bytes that the program may use, or `None`.
        stream: of the batches, where the training data stay on the host. All lanes then start
            together, are at the same step, and are filled again when the last of them is free.

    Attributes:
        spec: what the pool is made from.
        num_free, num_busy: lanes without a run, and with one.
        num_ending: of those, the ones that end in the chunk that is under way.
        bytes_needed: by the compiled program, its arguments and results.

    Raises:
        InputError: the program would need more memory than there is.
    """

    def __init__(
        self,
        spec: PoolSpec,
        task: Task,
        trainer: Trainer,
        memory_limit: int | None = None,
        stream: Stream | None = None,
    ) -> None:
        check_data(spec, stream, memory_limit)
        self.spec = spec
        self._param_shapes, self._kept = trainer.param_shapes, trainer.kept
        self._stream = stream
        self._data = jax.device_put(spec.data) if stream is None else stream.block(0)
        programs = Programs(trainer, task, spec, self._data)
        self._diagnostic_set = programs.diagnostic_set
        self._root_seed = np.uint32(spec.root_seed)
        self._histories: list[History | None] = [None] * spec.width
        self._steps = [0] * spec.width
        self._dispatched: tuple[int, Record, Measurement, Status, DiagnosticValues | None] | None = None
        starts = self._starts([Run("", spec.arm, 0, 0, 0, 0, 0)] * spec.width)
        is_new = np.zeros(spec.width, bool)
        shapes = jax.eval_shape(programs.new_lanes, self._root_seed, starts, self._data)
        advance = jax.jit(programs.advance, donate_argnums=0)
        start = jax.jit(programs.start, donate_argnums=0)
        lowered = {
            "advance": advance.lower(shapes, is_new, np.int32(1), self._data),
            "start": start.lower(shapes, is_new, self._root_seed, starts, self._data),
        }
        _, record, measurement, _, diagnostics = lowered["advance"].out_info
        self._shapes = Shapes(
            inside(1, jax.eval_shape(without_keys, shapes)),
            inside(2, record),
            inside(1, measurement),
            inside(2, diagnostics),
            spec.diagnostics_every // spec.eval_every,
        )
        compiled = compile_all(lowered)
        self._advance, self._start = compiled["advance"], compiled["start"]
        self.bytes_needed = bytes_needed(self._advance)
        if memory_limit is not None and self.bytes_needed > memory_limit:
            raise too_wide(spec, self.bytes_needed, memory_limit, self._data)
        self._lanes: Lane = jax.device_put(jax.tree.map(empty, shapes))

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
        return [h.run.horizon - step for h, step in zip(self._histories, self._steps, strict=True) if h is not None]

    def fill(self, runs: Sequence[Run], checkpoints: Mapping[Run, Checkpoint] | None = None) -> list[Run]:
        """Puts runs into free lanes, at their start or where a checkpoint has left them.

        Args:
            runs: at most `num_free`, at least one.
            checkpoints: of some of them.

        Returns:
            Runs whose checkpoint is not one of this pool's, or is not at the step of the other
            runs of a cohort; they start anew.
        """
        free = [lane for lane, history in enumerate(self._histories) if history is None]
        chosen = dict(zip(free, runs, strict=False))
        held = {lane: (checkpoints or {}).get(run) for lane, run in chosen.items()}
        opened = {lane: self._open(found) for lane, found in held.items() if found is not None}
        resumed = {lane: content for lane, content in opened.items() if content is not None}
        if self._stream is not None and not _are_at_one_step(resumed, len(chosen)):
            resumed = {}
        new = {lane: run for lane, run in chosen.items() if lane not in resumed}
        if new:
            self._begin(new)
        if resumed:
            self._restore(resumed)
        return [chosen[lane] for lane in opened if lane not in resumed]

    def _begin(self, chosen: Mapping[int, Run]) -> None:
        """Initialises runs in lanes, and evaluates them at step 0."""
        first = next(iter(chosen.values()))
        if self._stream is not None:
            self._stream.begin(first.order_seed)
            self._data = self._stream.block(0)
        starts = self._starts([chosen.get(lane, first) for lane in range(self.spec.width)])
        is_new = np.isin(np.arange(self.spec.width), list(chosen))
        self._lanes = self._start(self._lanes, is_new, self._root_seed, starts, self._data)
        left = self._advance(self._lanes, is_new, np.int32(0), self._data)
        self._lanes, _, measured, *_ = left
        measured = jax.device_get(measured)
        for lane, run in chosen.items():
            self._histories[lane] = History(run, [], [copied(measured, (lane,))], [])
            self._steps[lane] = 0

    def _open(self, checkpoint: Checkpoint) -> tuple[Any, History] | None:
        """A lane's leaves and a history, or `None` where they are not of this pool."""
        return from_arrays(checkpoint, self._shapes)

    def _restore(self, resumed: Mapping[int, tuple[Any, History]]) -> None:
        """Puts runs into lanes where they were."""
        # On the host: a program that writes into lanes would have to be compiled first.
        lanes = jax.tree.map(np.array, jax.device_get(without_keys(self._lanes)))
        for index, (lane, history) in resumed.items():

            def put(leaf: np.ndarray, value: np.ndarray, index: int = index) -> None:
                leaf[index] = value

            jax.tree.map(put, lanes, lane)
            self._histories[index] = history
            self._steps[index] = _last_step(history)
        self._lanes = jax.tree.map(with_key, self._lanes, jax.device_put(lanes))

    def checkpoints(self) -> list[Checkpoint]:
        """Every run in a lane as it stands, between `collect` and the next `advance`."""
        lanes = jax.device_get(without_keys(self._lanes))
        return [
            Checkpoint(history.run, step, to_arrays(copied(lanes, (lane,)), history))
            for lane, (history, step) in enumerate(zip(self._histories, self._steps, strict=True))
            if history is not None
        ]

    def _starts(self, runs: Sequence[Run]) -> Start:
        """Arguments for every lane."""
        of_arm = {
            arm: (leaf_laws(self._param_shapes, str(arm.init), arm.options, self._kept), hyperparams(arm))
            for arm in {run.arm for run in runs}
        }
        laws, numbers = zip(*(of_arm[run.arm] for run in runs), strict=True)
        return Start(
            init_seed=np.asarray([run.init_seed for run in runs], np.uint32),
            order_seed=np.asarray([run.order_seed for run in runs], np.uint32),
            noise_seed=np.asarray([run.noise_seed for run in runs], np.uint32),
            fork_step=np.asarray([NO_FORK if run.fork_step is None else run.fork_step for run in runs], np.int32),
            fork_order_seed=np.asarray([run.fork_order_seed or 0 for run in runs], np.uint32),
            laws=np.stack(laws),
            hyperparams={name: np.asarray([n[name] for n in numbers], np.float32) for name in numbers[0]},
            horizon=np.asarray([run.horizon for run in runs], np.int32),
        )

    def advance(self) -> None:
        """Sets all lanes going for one chunk, or less where every run is over before."""
        num_segments = min(SEGMENTS_PER_CHUNK, max(self._remaining()) // self.spec.eval_every)
        is_busy = np.asarray([history is not None for history in self._histories])
        if self._stream is not None:
            self._data = self._next_block(self._stream, num_segments)
        self._lanes, *left = self._advance(self._lanes, is_busy, np.int32(num_segments), self._data)
        self._dispatched = (num_segments, *left)

    def _next_block(self, stream: Stream, num_segments: int) -> Data:
        """The batches of the chunk that is dispatched, where all lanes are at one step."""
        busy = {(h.run.order_seed, s) for h, s in zip(self._histories, self._steps, strict=True) if h}
        [(order_seed, step)] = busy
        stream.begin(order_seed)
        data = stream.block(step)
        reach = num_segments * self.spec.eval_every
        if max(self._remaining()) > reach:
            stream.prefetch(step + reach)
        return data

    def harvest(self) -> Chunk:
        """Waits for the chunk that was dispatched; lanes whose run is over become free."""
        assert self._dispatched is not None
        num_segments, records, measurements, status, diagnostics = self._dispatched
        status = jax.device_get(status)
        self._steps = [int(step) for step in status.step]
        histories = list(self._histories)
        chunk = Chunk(num_segments, records, measurements, status, histories, diagnostics)
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
        records, measurements, diagnostics = jax.device_get((chunk.records, chunk.measurements, chunk.diagnostics))
        num_active, finished = 0, []
        for lane, history in enumerate(chunk.histories):
            if history is None:
                continue
            # A run that is over stays over, so its segments are the first ones.
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


def _last_step(history: History) -> int:
    return int(history.records[-1].step[-1])


def _are_at_one_step(resumed: Mapping[int, tuple[Any, History]], num_runs: int) -> bool:
    """Whether some runs, of which those that are not resumed start anew, are at one step."""
    steps = {_last_step(history) for _, history in resumed.values()}
    return len(steps) + (len(resumed) < num_runs) <= 1


def make_pool(spec: PoolSpec, memory_limit: int | None = None) -> LanePool:
    """The pool of an arm whose task and model are found by their names.

    Arguments and errors as for `LanePool`.
    """
    spec = spec._replace(data=opened(spec.data))
    task = build_task(spec.arm, spec.data)
    stream = None
    if spec.arm.stream:
        stream = Stream(task, spec.data, spec.root_seed, spec.eval_every, SEGMENTS_PER_CHUNK)
        task = streamed(task)
    model = make_model(spec.arm, task.num_outputs)
    trainer = make_trainer(spec.arm, task, model, spec.form)
    return LanePool(spec, task, trainer, memory_limit, stream)


def not_measured(spec: PoolSpec) -> dict[str, str]:
    """Why some of the diagnostics that a pool is asked for do not exist for its arm, by name."""
    if not spec.diagnostics:
        return {}
    data = opened(spec.data)
    task = build_task(spec.arm, data)
    trainer = make_trainer(spec.arm, task, make_model(spec.arm, task.num_outputs), spec.form)
    return obstacles(trainer, diagnostics_spec_of(spec, task, data))
