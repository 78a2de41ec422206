"""Worker processes, one per device; they end when their parent does, however it ends."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, NamedTuple

from ..errors import InputError, WorkerFailedError
from .devices import Devices, configure_backend, environment
from .interruption import SIGNALS
from .messages import Alive, Done, Failed, Refused
from .serving import Line, ServeSettings, serve_remotely

# Seconds between signs of life.
BEAT = 2.0
# What a process inherits is changed for as long as it starts, so they start one at a time.
_STARTING = threading.Lock()


def _watch_parent(line: Line) -> None:
    """Sends signs of life; ends this process as soon as its parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while not wait_for([parent.sentinel], timeout=BEAT):
        with contextlib.suppress(OSError):
            line.send(Alive())
    os._exit(1)


def _main(connection: Connection, work: Callable[..., Any], *args: Any) -> None:
    """Sends what a function of the line returns, or what went wrong; signals mean what the parent decides."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    line = Line(connection)
    threading.Thread(target=_watch_parent, args=(line,), daemon=True).start()
    try:
        line.send(Done(work(line, *args)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except InputError as error:
        with contextlib.suppress(OSError):
            line.send(Refused(str(error)))
    except Exception:
        with contextlib.suppress(OSError):
            line.send(Failed(traceback.format_exc()))


def _call(line: Line, cache_dir: str | None, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    configure_backend(cache_dir)
    return fn(*args)


@contextlib.contextmanager
def _set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
    """Blocks signals until a new process ignores them, see `_main`; here they come a moment later."""
    # It starts with the first process otherwise, and lets signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hides the parent's `__main__`, which a spawned process would import and so run again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Worker(NamedTuple):
    """A process, and the parent's end of its pipe."""

    process: Any
    connection: Connection


class End(NamedTuple):
    """How a worker has ended, and whether its runs may have done it, rather than where it ran."""

    words: str
    is_of_runs: bool = True


def spawn(variables: Mapping[str, str], target: Callable[..., None], *args: Any) -> Worker:
    """Starts a process with some more variables; its body gets the other end of the pipe, then `args`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args), daemon=True)
    with _STARTING, _set_environment(variables), _without_main(), _without_signals():
        process.start()
    theirs.close()
    return Worker(process, ours)


def serve_worker(variables: Mapping[str, str], settings: ServeSettings) -> Worker:
    """Starts a process that serves, with the variables of its device."""
    return spawn(variables, _main, serve_remotely, settings)


class Crew:
    """Worker processes, one per device, from entry to exit; with `num_workers=0` everything runs in this process."""

    launch = None

    def __init__(self, devices: Devices, num_workers: int, settings: ServeSettings) -> None:
        self.devices, self.num_workers, self.settings = devices, num_workers, settings
        self.members: dict[int, Worker] = {}

    def __enter__(self) -> "Crew":
        self.ensure()
        return self

    def __exit__(self, *error: object) -> None:
        for index in list(self.members):
            self.kill(index)

    def start(self, index: int) -> None:
        """Starts the worker of one device."""
        self.members[index] = serve_worker(environment(self.devices, index), self.settings)

    def ensure(self) -> None:
        """Starts every worker that is not there."""
        for index in set(range(self.num_workers)) - set(self.members):
            self.start(index)

    def wait(self, fileno: int, seconds: float) -> list[int]:
        """Waits for messages, or for something to read at a file; returns which workers have sent or ended."""
        ready = wait_for([*(worker.connection for worker in self.members.values()), fileno], seconds)
        return [index for index, worker in self.members.items() if worker.connection in ready]

    def now(self) -> float:
        """Returns the time in seconds, from some moment on."""
        return time.monotonic()

    def retire(self, index: int) -> End:
        """Waits for the end of a worker that is done or dead, and says how it has ended."""
        worker = self.members.pop(index)
        worker.connection.close()
        worker.process.join()
        return End(f"died with exit code {worker.process.exitcode}")

    def kill(self, index: int) -> End:
        """Ends a worker: it has nothing on disk that could be half-written."""
        self.members[index].process.kill()
        return self.retire(index)

    def refuse(self, index: int, reason: str) -> bool:
        """Tells that nobody goes on where a worker refuses: all have the same machine."""
        return False


def call(devices: Devices, cache_dir: str | None, fn: Callable[..., Any], *args: Any) -> Any:
    """Calls an importable function in a process that owns the first device; raises its InputError again.

    Arguments and result are pickled; everything else that goes wrong is a WorkerFailedError.
    """
    worker = spawn(environment(devices, 0), _main, _call, cache_dir, fn, args)
    try:
        while isinstance(message := worker.connection.recv(), Alive):
            pass
    except EOFError:
        worker.process.join()
        message = Failed(f"a worker died with exit code {worker.process.exitcode}")
    finally:
        worker.process.kill()
        worker.process.join()
    if isinstance(message, Refused):
        raise InputError(message.reason)
    if isinstance(message, Failed):
        raise WorkerFailedError(message.traceback)
    return message.result
