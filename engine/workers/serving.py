"""The loop of a worker; the same one serves inside a single process."""

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from ..errors import InputError
from ..lanes.checkpoint import Checkpoint
from ..lanes.memory import memory_limit
from ..lanes.pool import Chunk, LanePool, make_pool
from ..lanes.runs import Run
from ..lanes.self_check import find_disagreement
from ..lanes.spec import PoolSpec
from ..lanes.to_row import outcome_row
from ..models import refusing_own_failures
from . import CHECKPOINT_SECONDS
from .devices import configure_backend
from .interruption import SignalWatch
from .messages import Assignment, CompletedRun, Delivery, Keep, Note, Pull, Reject, Source, Stop
from .scheduler import Scheduler

# The default interval is stretched so that checkpoints take at most this part of the time.
_LARGEST_SHARE = 0.01
_MESSAGE_BYTES = 2**28
T = TypeVar("T")


class ServeSettings(NamedTuple):
    """How a worker serves.

    Attributes:
        num_sharing: workers that share the CPU's memory.
        checkpoint_every: seconds between checkpoints (`None`: automatic).
        num_kept: first seeds of each arm whose weights are handed in.
    """

    cache_dir: str | None
    num_sharing: int = 1
    checkpoint_every: float | None = None
    num_kept: int = 0


def serve_here(scheduler: Scheduler, watch: SignalWatch, settings: ServeSettings) -> None:
    """Serves a scheduler of this process until nothing is left or a signal comes."""
    source = Source(
        pull=lambda num_free, num_busy: scheduler.assign(0, num_free, num_busy),
        send=lambda report: scheduler.handle(0, report),
        is_stopping=lambda: watch.signal is not None,
    )
    _serve(source, settings)


def serve_remotely(line: "Line", settings: ServeSettings) -> None:
    """Serves a scheduler behind a pipe until nothing is left or it says stop."""
    remote = _Remote(line)
    _serve(Source(remote.pull, line.send, remote.is_stopping), settings)


def _serve(source: Source, settings: ServeSettings) -> None:
    configure_backend(settings.cache_dir)
    # What detects a break loads while the first program is compiled.
    threading.Thread(target=importlib.import_module, args=("scipy.optimize",), daemon=True).start()
    server = _Server(source, settings)
    try:
        with server.refusing():
            server.run()
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        is_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        if server.spec is None or not is_memory:
            raise
        raise _out_of_memory(server.spec) from error


def _out_of_memory(spec: PoolSpec) -> InputError:
    fewer = f"try --width={spec.width // 2}" if spec.width > 1 else "try fewer --workers"
    return InputError(
        f"out of memory with width={spec.width} for model={spec.arm.model}: {fewer}; all finished runs are stored"
    )


class _Timer:
    def __init__(self, every: float | None) -> None:
        self._every = every
        self._due = time.monotonic() + (every or CHECKPOINT_SECONDS)

    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    def restart(self, started: float) -> None:
        """Starts again after a checkpoint that began at a time."""
        now = time.monotonic()
        longest = max(CHECKPOINT_SECONDS, (now - started) / _LARGEST_SHARE)
        self._due = now + (longest if self._every is None else self._every)


class _Server:
    """A worker's pool and the runs that wait for it.

    While the device works on a chunk, the host delivers the rows of the previous one and asks for further runs.
    Nothing is delivered before the pool's rewritten network has been compared with the native one.
    """

    def __init__(self, source: Source, settings: ServeSettings) -> None:
        self.spec: PoolSpec | None = None
        self._source, self._cache_dir, self._num_kept = source, settings.cache_dir, settings.num_kept
        self._memory_limit = memory_limit(settings.num_sharing)
        self._timer = _Timer(settings.checkpoint_every)
        self._pool: LanePool | None = None
        self._waiting: list[Run] = []
        self._checkpoints: dict[Run, Checkpoint] = {}
        self._chunk: Chunk | None = None
        self._is_checked = False

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuses what the user's network raises in the block, which would raise it again in every worker."""
        try:
            yield
        except Exception as error:
            if self.spec is None:
                raise
            with refusing_own_failures(self.spec.arm):
                raise error

    def run(self) -> None:
        """Serves until nothing is left."""
        while (pool := self._refilled()) is not None:
            pool.advance()
            # Empty at first, which says that the first chunk is under way.
            self._deliver(pool)
            if not self._is_checked and not self._check(pool):
                continue
            ahead = self._source.pull(pool.num_ending, pool.num_busy) if pool.num_ending else None
            if ahead is not None:
                self._take(ahead)
            self._chunk = pool.harvest()
            is_stopping = self._source.is_stopping()
            is_due = is_stopping or self._timer.is_due()
            if is_due or not pool.num_busy:
                self._deliver(pool)
            if is_due and pool.num_busy:
                self._hand_in(pool)
            if is_stopping:
                return

    def _refilled(self) -> LanePool | None:
        """Returns the pool with its free lanes filled; `None` if there is nothing to do."""
        pool = self._pool
        if pool is None or pool.num_free > len(self._waiting):
            num_free, num_busy = (0, 0) if pool is None else (pool.num_free, pool.num_busy)
            num_waiting = len(self._waiting)
            assignment = self._source.pull(num_free - num_waiting, num_busy + num_waiting)
            if assignment is None and not num_busy and not num_waiting:
                return None
            if assignment is not None:
                if assignment.spec is not None:
                    self.spec = assignment.spec
                    pool = self._pool = make_pool(assignment.spec, self._memory_limit, self._num_kept)
                    self._is_checked = False
                self._take(assignment)
        assert pool is not None
        if self._waiting:
            for run in pool.fill(self._waiting, self._checkpoints):
                reason = "its checkpoint does not fit its network, or the runs beside it"
                self._source.send(Note(f"{run.arm_name}, seed {run.seed}: {reason}; the run starts again"))
        self._waiting, self._checkpoints = [], {}
        return pool

    def _take(self, assignment: Assignment) -> None:
        self._waiting += assignment.runs
        self._checkpoints |= assignment.checkpoints

    def _deliver(self, pool: LanePool) -> None:
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            self._source.send(Delivery(0, []))
            return
        seed_steps, finished = pool.collect(chunk)
        chance_loss, event = pool.task.chance_loss, pool.task.event
        rows = [outcome_row(one, chance_loss, pool.spec.detector, event) for one in finished]
        weights = chunk.weights
        completed = [CompletedRun(one.run, row, weights.get(one.run)) for one, row in zip(finished, rows, strict=True)]
        for batch in _batches(completed, lambda one: one.weights) or [[]]:
            self._source.send(Delivery(seed_steps, batch))
            seed_steps = 0

    def _check(self, pool: LanePool) -> bool:
        disagreement = find_disagreement(pool.spec, self._cache_dir)
        if disagreement is not None:
            self._source.send(Reject(disagreement))
            self._pool, self._waiting, self._chunk = None, [], None
        self._is_checked = disagreement is None
        return self._is_checked

    def _hand_in(self, pool: LanePool) -> None:
        started = time.monotonic()
        for batch in _batches(pool.checkpoints(), lambda one: one.arrays):
            self._source.send(Keep(batch))
        self._timer.restart(started)


def _batches(items: Sequence[T], arrays_of: Callable[[T], Mapping[str, np.ndarray] | None]) -> list[list[T]]:
    """Divides what is to be sent, so that no message has far more bytes of arrays than the limit."""
    batches: list[list[T]] = []
    size = _MESSAGE_BYTES
    for item in items:
        if size >= _MESSAGE_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(item)
        size += sum(array.nbytes for array in (arrays_of(item) or {}).values())
    return batches


class Line:
    """One end of a pipe, for several threads that send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.receive = connection.recv
        self.has_message = connection.poll

    def send(self, message: Any) -> None:
        """Sends a message."""
        with self._lock:
            self._connection.send(message)


class _Remote:
    def __init__(self, line: Line) -> None:
        self._line = line
        self._is_stopping = False

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        self._line.send(Pull(num_free, num_busy))
        while isinstance(answer := self._line.receive(), Stop):
            self._is_stopping = True
        return answer

    def is_stopping(self) -> bool:
        while self._line.has_message():
            self._line.receive()
            self._is_stopping = True
        return self._is_stopping
