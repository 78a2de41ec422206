"""One process per device that pulls runs from the plan; the same loop serves inside one process.

The parent alone plans and writes. A worker asks for runs when lanes are free, and sends back the
runs that are over. When a worker is killed its runs go back into the plan and a new one is
started. Workers end when the parent's end of their pipe closes.
"""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Protocol

from engine.devices import Devices, configure_backend, environment, memory_limit
from engine.errors import InputError, WorkerFailedError
from engine.lane_program import PoolSpec
from engine.lanes import Chunk, LanePool, make_pool
from engine.runs import FinishedRun, Run
from engine.selfcheck import find_disagreement

_MAX_LOSSES_WITHOUT_PROGRESS = 3


class Assignment(NamedTuple):
    """Runs for a worker; `spec` comes along where they need a new pool."""

    group: int
    spec: PoolSpec | None
    runs: list[Run]


class Delivery(NamedTuple):
    """What a worker reports after a chunk."""

    seed_steps: int
    finished: list[FinishedRun]


OnDelivery = Callable[[Delivery], Sequence[Sequence[Run]] | None]


class Source(Protocol):
    """Where a worker gets its runs from, and where it delivers them."""

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        """Runs for free lanes, possibly none; `None` when there is nothing left for this worker."""

    def deliver(self, delivery: Delivery) -> None:
        """Takes what a chunk brought."""

    def reject(self, reason: str) -> None:
        """Gives back all runs, because the form of their network is not to be trusted."""


def serve(source: Source, memory_limit: int | None, cache_dir: str | None) -> None:
    """Runs what a source gives until there is nothing left.

    While the device works on a chunk, the host fetches what the one before left behind, delivers
    it, and asks for runs to take the place of those that are about to end. Nothing of a pool is
    delivered before its rewritten network has been compared with the native one.

    Args:
        source: of runs.
        memory_limit: bytes that a pool may use, or `None`.
        cache_dir: of compiled programs and verdicts, or `None`.
    """
    pool: LanePool | None = None
    waiting: list[Run] = []
    chunk: Chunk | None = None
    is_checked = False
    while True:
        if pool is None or pool.num_free > len(waiting):
            num_free, num_busy = (0, 0) if pool is None else (pool.num_free, pool.num_busy)
            assignment = source.pull(num_free - len(waiting), num_busy + len(waiting))
            if assignment is None and not num_busy and not waiting:
                return
            if assignment is not None:
                if assignment.spec is not None:
                    pool, is_checked = make_pool(assignment.spec, memory_limit), False
                waiting += assignment.runs
        assert pool is not None
        if waiting:
            pool.fill(waiting)
        pool.advance()
        # Nothing at first, which says that the first chunk is under way.
        source.deliver(Delivery(0, []) if chunk is None else Delivery(*pool.collect(chunk)))
        if not is_checked:
            disagreement = find_disagreement(pool.spec, cache_dir)
            if disagreement is not None:
                source.reject(disagreement)
                pool, waiting, chunk = None, [], None
                continue
            is_checked = True
        ahead = source.pull(pool.num_ending, pool.num_busy) if pool.num_ending else None
        waiting = ahead.runs if ahead is not None else []
        chunk = pool.harvest()
        if not pool.num_busy:
            source.deliver(Delivery(*pool.collect(chunk)))
            chunk = None


class Scheduler:
    """The plan's runs, handed out to workers group by group.

    Args:
        specs: of the pools, by group.
        pending: runs of each group, in the order in which they are to start.
        on_delivery: called with what each chunk brought; returns the runs of each group that are
            to be done besides, or nothing.
        on_fallback: called with a group and the reason when it falls back to the native form.
    """

    def __init__(
        self,
        specs: Sequence[PoolSpec],
        pending: Sequence[Sequence[Run]],
        on_delivery: OnDelivery,
        on_fallback: Callable[[int, str], None],
    ) -> None:
        self._specs = list(specs)
        self._on_fallback = on_fallback
        self._pending = [deque(runs) for runs in pending]
        self._on_delivery = on_delivery
        self._group: dict[int, int] = {}
        self._in_flight: dict[int, list[Run]] = {}
        self._has_begun = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is pending or in flight."""
        return not any(self._pending) and not any(self._in_flight.values())

    def has_pending(self) -> bool:
        """Whether a new worker would find something to do."""
        return any(self._pending)

    def assign(self, worker: int, num_free: int, num_busy: int) -> Assignment | None:
        """Runs for a worker: of its own group first, of another one when its lanes are empty."""
        group = self._group.get(worker)
        if group is not None and self._pending[group]:
            return Assignment(group, None, self._take(worker, group, num_free))
        if num_busy:
            return Assignment(group, None, []) if group is not None else None
        group = self._choose_group()
        if group is None:
            self._group.pop(worker, None)
            return None
        self._group[worker] = group
        spec = self._specs[group]
        return Assignment(group, spec, self._take(worker, group, spec.width))

    def _choose_group(self) -> int | None:
        """The group with most pending runs, of those that the fewest workers serve.

        Before anything runs, of those that the most serve: they compile one program together.
        """
        serving = Counter(self._group.values())
        sign = 1 if self._has_begun else -1
        waiting = [g for g, runs in enumerate(self._pending) if runs]
        key = lambda g: (sign * serving[g], -len(self._pending[g]))  # noqa: E731
        return min(waiting, key=key, default=None)

    def _take(self, worker: int, group: int, num: int) -> list[Run]:
        runs = [self._pending[group].popleft() for _ in range(min(num, len(self._pending[group])))]
        self._in_flight.setdefault(worker, []).extend(runs)
        return runs

    def deliver(self, worker: int, delivery: Delivery) -> None:
        """Notes what is over and passes it on."""
        self._has_begun = True
        for finished in delivery.finished:
            self._in_flight[worker].remove(finished.run)
        for runs, more in zip(self._pending, self._on_delivery(delivery) or [], strict=False):
            runs.extend(more)

    def reject(self, worker: int, reason: str) -> None:
        """Takes all runs of a worker back, and has their group computed in the native form."""
        group = self._group[worker]
        self.lose(worker)
        if self._specs[group].form != "native":
            self._specs[group] = self._specs[group]._replace(form="native")
            self._on_fallback(group, reason)

    def lose(self, worker: int) -> list[Run]:
        """Puts the runs of a dead worker back to the front of their group."""
        lost = self._in_flight.pop(worker, [])
        group = self._group.pop(worker, None)
        if group is not None:
            self._pending[group].extendleft(reversed(lost))
        return lost


class _LocalSource:
    """A scheduler as seen from inside its own process."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        return self._scheduler.assign(0, num_free, num_busy)

    def deliver(self, delivery: Delivery) -> None:
        self._scheduler.deliver(0, delivery)

    def reject(self, reason: str) -> None:
        self._scheduler.reject(0, reason)


class _RemoteSource:
    """A scheduler as seen through a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pull(self, num_free: int, num_busy: int) -> Assignment | None:
        self._connection.send(("pull", num_free, num_busy))
        return self._connection.recv()

    def deliver(self, delivery: Delivery) -> None:
        self._connection.send(("deliver", delivery))

    def reject(self, reason: str) -> None:
        self._connection.send(("reject", reason))


def _worker_main(connection: Connection, cache_dir: str | None, num_sharing: int) -> None:
    """Body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        configure_backend(cache_dir)
        serve(_RemoteSource(connection), memory_limit(num_sharing), cache_dir)
        connection.send(("done",))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except InputError as error:
        with contextlib.suppress(OSError):
            connection.send(("refused", str(error)))
    except Exception:
        with contextlib.suppress(OSError):
            connection.send(("failed", traceback.format_exc()))


@contextlib.contextmanager
def _set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Worker(NamedTuple):
    process: Any
    connection: Connection


class Crew:
    """Worker processes, one per device. As a context: they start on entry and end on exit.

    They load their libraries while the parent still plans.

    Args:
        devices: what to run on.
        num_workers: processes; none where everything is to run in this one.
        cache_dir: of compiled programs, or `None`.
    """

    def __init__(self, devices: Devices, num_workers: int, cache_dir: str | None) -> None:
        self.num_workers = num_workers
        self.cache_dir = cache_dir
        self.members: dict[int, _Worker] = {}
        self._devices = devices

    def __enter__(self) -> "Crew":
        self.ensure()
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.members.values():
            worker.process.terminate()
            worker.connection.close()
        for worker in self.members.values():
            worker.process.join()

    def start(self, index: int) -> None:
        """Starts the worker of one device."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_worker_main, args=(theirs, self.cache_dir, self.num_workers), daemon=True
        )
        with _set_environment(environment(self._devices, index)):
            process.start()
        theirs.close()
        self.members[index] = _Worker(process, ours)

    def ensure(self) -> None:
        """Starts every worker that is not there, for another call of `run_all`."""
        for index in set(range(self.num_workers)) - set(self.members):
            self.start(index)

    def retire(self, index: int) -> None:
        """Waits for the end of a worker that has said that it is done, or is dead."""
        worker = self.members.pop(index)
        worker.connection.close()
        worker.process.join()


def _call_main(connection: Connection, cache_dir: str | None, fn: Any, args: Any) -> None:
    """Body of a process that makes one call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        configure_backend(cache_dir)
        connection.send(("done", fn(*args)))
    except InputError as error:
        connection.send(("refused", str(error)))
    except Exception:
        connection.send(("failed", traceback.format_exc()))


def call(devices: Devices, cache_dir: str | None, fn: Callable[..., Any], *args: Any) -> Any:
    """Calls a function in a process that has a device to itself, as a worker has.

    Args:
        devices: what to run on; the first one is used.
        cache_dir: of compiled programs, or `None`.
        fn: can be imported by its name.
        args: can be pickled, as can the result.

    Raises:
        InputError: the function raised one.
        WorkerFailedError: it raised something else, or the process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_call_main, args=(theirs, cache_dir, fn, args), daemon=True)
    with _set_environment(environment(devices, 0)):
        process.start()
    theirs.close()
    try:
        kind, result = ours.recv()
    except EOFError:
        process.join()
        kind, result = "failed", f"a worker died with exit code {process.exitcode}"
    finally:
        process.terminate()
        process.join()
    if kind == "refused":
        raise InputError(result)
    if kind == "failed":
        raise WorkerFailedError(result)
    return result


class _Supervisor:
    """Answers workers, and replaces those that die."""

    def __init__(self, scheduler: Scheduler, crew: Crew, notify: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._crew = crew
        self._notify = notify
        self._num_losses = 0

    def run(self) -> None:
        """Serves until every run is over."""
        members = self._crew.members
        while members:
            ready = wait([worker.connection for worker in members.values()])
            for index, worker in list(members.items()):
                if worker.connection in ready:
                    self._answer(index, worker)

    def _answer(self, index: int, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
            if message[0] == "pull":
                worker.connection.send(self._scheduler.assign(index, *message[1:]))
                return
        except (EOFError, OSError):
            self._replace(index)
            return
        if message[0] == "deliver":
            if message[1].finished:
                self._num_losses = 0
            self._scheduler.deliver(index, message[1])
            if self._scheduler.has_pending():
                self._crew.ensure()
        elif message[0] == "reject":
            self._scheduler.reject(index, message[1])
        elif message[0] == "refused":
            raise InputError(message[1])
        elif message[0] == "failed":
            raise WorkerFailedError(message[1])
        else:
            self._crew.retire(index)

    def _replace(self, index: int) -> None:
        """Takes note of a dead worker; a new one takes its place while there is work for it."""
        process = self._crew.members[index].process
        self._crew.retire(index)
        lost = self._scheduler.lose(index)
        self._num_losses += 1
        if self._num_losses > _MAX_LOSSES_WITHOUT_PROGRESS:
            raise WorkerFailedError(
                f"{self._num_losses} workers died one after another without progress (the last "
                f"with exit code {process.exitcode}); on Linux, code -9 often means too little "
                f"memory"
            )
        if self._scheduler.has_pending():
            self._notify(
                f"a worker died with exit code {process.exitcode}; its {len(lost)} runs start "
                f"again in a new one"
            )
            self._crew.start(index)


def run_all(
    specs: Sequence[PoolSpec],
    pending: Sequence[Sequence[Run]],
    on_delivery: OnDelivery,
    on_fallback: Callable[[int, str], None],
    crew: Crew,
    notify: Callable[[str], None],
) -> None:
    """Runs everything that is pending.

    Args:
        specs: of the pools, by group.
        pending: runs of each group.
        on_delivery: called in this process with what each chunk brought, see `Scheduler`.
        on_fallback: called with a group and the reason when it falls back to the native form.
        crew: of workers; without any, everything runs in this process.
        notify: called with a line when something noteworthy happens.

    Raises:
        InputError: a worker found that what it was given does not fit its device.
        WorkerFailedError: a worker raised an exception; the message is its traceback.
    """
    scheduler = Scheduler(specs, pending, on_delivery, on_fallback)
    if scheduler.is_done:
        return
    if crew.num_workers == 0:
        configure_backend(crew.cache_dir)
        serve(_LocalSource(scheduler), memory_limit(1), crew.cache_dir)
        return
    crew.ensure()
    _Supervisor(scheduler, crew, notify).run()
