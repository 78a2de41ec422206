"""The loop of a worker; the same one serves inside a single process."""

import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import jax

from engine.errors import InputError
from engine.lanes.lane import PoolSpec
from engine.lanes.memory import memory_limit
from engine.lanes.pool import Chunk, LanePool, make_pool
from engine.lanes.runs import Checkpoint, Run
from engine.lanes.self_check import find_disagreement
from engine.workers.devices import configure_backend
from engine.workers.interruption import SignalWatch
from engine.workers.messages import Assignment, Delivery, Source
from engine.workers.scheduler import Scheduler

DEFAULT_CHECKPOINT_SECONDS = 60.0
# The default interval is stretched so that checkpoints take at most this part of the time.
_LARGEST_SHARE = 0.01
_MESSAGE_BYTES = 2**28


class ServeSettings(NamedTuple):
    """Of a worker.

    Attributes:
        cache_dir: of compiled programs and verdicts, or `None`.
        num_sharing: workers that share the memory of a CPU.
        checkpoint_every: seconds; by default a minute, or more where checkpoints are expensive.
    """

    cache_dir: str | None
    num_sharing: int = 1
    checkpoint_every: float | None = None


def serve_here(scheduler: Scheduler, watch: SignalWatch, settings: ServeSettings) -> None:
    """Runs in this process what a scheduler gives, until nothing is left or a signal comes.

    Raises:
        InputError: a pool does not fit the device.
    """
    _serve(_LocalSource(scheduler, watch), settings)


def serve_remotely(line: "Line", settings: ServeSettings) -> None:
    """Runs what comes through a pipe, until nothing is left or the other end says stop.

    Raises:
        InputError: a pool does not fit the device.
    """
    _serve(_RemoteSource(line), settings)


def _serve(source: Source, settings: ServeSettings) -> None:
    configure_backend(settings.cache_dir)
    limit = memory_limit(settings.num_sharing)
    server = _Server(source, limit, settings.cache_dir, _Timer(settings.checkpoint_every))
    try:
        server.run()
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        is_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        if server.spec is None or not is_memory:
            raise
        raise _out_of_memory(server.spec) from error


def _out_of_memory(spec: PoolSpec) -> InputError:
    fewer = f"try --width={spec.width // 2}" if spec.width > 1 else "try fewer --workers"
    return InputError(
        f"out of memory with width={spec.width} for model={spec.arm.model}: {fewer}; everything "
        f"finished so far is stored"
    )


class _Timer:
    """Says when the next checkpoint is due."""

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._due = time.monotonic() + (every or DEFAULT_CHECKPOINT_SECONDS)

    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    def restart(self, started: float) -> None:
        """After a checkpoint that was begun at a time."""
        now = time.monotonic()
        longest = max(DEFAULT_CHECKPOINT_SECONDS, (now - started) / _LARGEST_SHARE)
        self._due = now + (longest if self._every is None else self._every)


class _Server:
    """One worker's pool and what waits for it.

    While the device works on a chunk, the host fetches what the one before left behind, delivers
    it, and asks for runs to take the place of those that are about to end. Nothing of a pool is
    delivered before its rewritten network has been compared with the native one.
    """

    def __init__(self, source: Source, memory_limit: int | None, cache_dir: str | None, timer: _Timer) -> None:
        self.spec: PoolSpec | None = None
        self._source = source
        self._memory_limit, self._cache_dir = memory_limit, cache_dir
        self._timer = timer
        self._pool: LanePool | None = None
        self._waiting: list[Run] = []
        self._checkpoints: dict[Run, Checkpoint] = {}
        self._chunk: Chunk | None = None
        self._is_checked = False

    def run(self) -> None:
        """Serves until nothing is left."""
        while self._refill():
            pool = self._pool
            assert pool is not None
            pool.advance()
            # Nothing at first, which says that the first chunk is under way.
            delivery = Delivery(0, []) if self._chunk is None else self._collected()
            self._source.deliver(delivery)
            if not self._is_checked and not self._check():
                continue
            ahead = self._source.pull(pool.num_ending, pool.num_busy) if pool.num_ending else None
            if ahead is not None:
                self._take(ahead)
            self._chunk = pool.harvest()
            is_stopping = self._source.is_stopping()
            is_due = is_stopping or self._timer.is_due()
            if is_due or not pool.num_busy:
                self._source.deliver(self._collected())
            if is_due and pool.num_busy:
                self._hand_in()
            if is_stopping:
                return

    def _refill(self) -> bool:
        """Fills free lanes; whether there is anything to do."""
        pool = self._pool
        if pool is None or pool.num_free > len(self._waiting):
            num_free, num_busy = (0, 0) if pool is None else (pool.num_free, pool.num_busy)
            num_waiting = len(self._waiting)
            assignment = self._source.pull(num_free - num_waiting, num_busy + num_waiting)
            if assignment is None and not num_busy and not num_waiting:
                return False
            if assignment is not None:
                if assignment.spec is not None:
                    self.spec = assignment.spec
                    pool = self._pool = make_pool(assignment.spec, self._memory_limit)
                    self._is_checked = False
                self._take(assignment)
        assert pool is not None
        if self._waiting:
            for run in pool.fill(self._waiting, self._checkpoints):
                self._source.note(
                    f"the checkpoint of {run.arm_name} seed {run.seed} does not fit its network, "
                    f"or the runs beside it; the run starts again"
                )
        self._waiting, self._checkpoints = [], {}
        return True

    def _take(self, assignment: Assignment) -> None:
        self._waiting += assignment.runs
        self._checkpoints |= assignment.checkpoints

    def _collected(self) -> Delivery:
        assert self._pool is not None
        assert self._chunk is not None
        chunk, self._chunk = self._chunk, None
        return Delivery(*self._pool.collect(chunk))

    def _check(self) -> bool:
        """Whether the rewritten network is to be trusted; without that everything goes back."""
        assert self._pool is not None
        disagreement = find_disagreement(self._pool.spec, self._cache_dir)
        if disagreement is not None:
            self._source.reject(disagreement)
            self._pool, self._waiting, self._chunk = None, [], None
        self._is_checked = disagreement is None
        return self._is_checked

    def _hand_in(self) -> None:
        """Sends every run as it stands."""
        assert self._pool is not None
        started = time.monotonic()
        for batch in _batches(self._pool.checkpoints()):
            self._source.keep(batch)
        self._timer.restart(started)


def _batches(checkpoints: Sequence[Checkpoint]) -> Iterator[list[Checkpoint]]:
    """Groups of bounded size."""
    batch: list[Checkpoint] = []
    size = 0
    for checkpoint in checkpoints:
        batch.append(checkpoint)
        size += sum(array.nbytes for array in checkpoint.arrays.values())
        if size >= _MESSAGE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _LocalSource:
    """A scheduler as seen from inside its own process."""

    def __init__(self, scheduler: Scheduler, watch: SignalWatch) -> None:
        self._scheduler, self._watch = scheduler, watch

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        return self._scheduler.assign(0, num_free, num_busy)

    def deliver(self, delivery: Delivery) -> None:
        self._scheduler.deliver(0, delivery)

    def keep(self, checkpoints: list[Checkpoint]) -> None:
        self._scheduler.keep(checkpoints)

    def reject(self, reason: str) -> None:
        self._scheduler.reject(0, reason)

    def note(self, line: str) -> None:
        self._scheduler.hooks.notify(line)

    def is_stopping(self) -> bool:
        return self._watch.signal is not None


class Line:
    """One end of a pipe, for several threads that send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Sends a message: its kind, and what it says."""
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        """Waits for a message."""
        return self._connection.recv()

    def has_message(self) -> bool:
        """Whether one is there."""
        return self._connection.poll()


class _RemoteSource:
    """A scheduler as seen through a pipe."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._is_stopping = False

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        self._line.send("pull", num_free, num_busy)
        while True:
            kind, content = self._line.receive()
            if kind == "assignment":
                return content
            self._is_stopping = True

    def deliver(self, delivery: Delivery) -> None:
        self._line.send("deliver", delivery)

    def keep(self, checkpoints: list[Checkpoint]) -> None:
        self._line.send("keep", checkpoints)

    def reject(self, reason: str) -> None:
        self._line.send("reject", reason)

    def note(self, line: str) -> None:
        self._line.send("note", line)

    def is_stopping(self) -> bool:
        while self._line.has_message():
            self._line.receive()
            self._is_stopping = True
        return self._is_stopping
