"""Answers workers, replaces those that die or hang, and has them hand in unfinished runs."""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import InputError, WorkerFailedError, counted
from ..lanes.runs import Run
from ..lanes.spec import PoolSpec
from .devices import Devices
from .interruption import SignalWatch
from .messages import Alive, Delivery, Done, Failed, Hooks, Keep, Pull, Refused, Stop
from .processes import End
from .scheduler import Scheduler
from .serving import ServeSettings, serve_here

_MAX_LOSSES_WITHOUT_PROGRESS = 6
# Seconds in which workers can hand in their unfinished runs once a signal has come.
GRACE = 20.0
_TICK = 1.0
# A process hangs after so many seconds without a sign of life.
QUIET_LIMIT = 60.0
# A worker hangs after so many seconds without a message: while it compiles; at least; and in proportion to the longest
# that a lane of it has taken so far.
_COMPILE_LIMIT = 3600.0
_STALL_LIMIT = 300.0
_STALL_FACTOR = 10.0


class Workers(Protocol):
    """Workers, wherever they run, as a supervisor needs them."""

    settings: ServeSettings

    @property
    def devices(self) -> Devices:
        """All devices that there are for them, of one kind."""

    @property
    def launch(self) -> dict[str, Any] | None:
        """A launch as it would be where they run; `None` if that is here."""

    @property
    def num_workers(self) -> int:
        """How many there are at most; 0 if the runs are done in this process."""

    @property
    def members(self) -> Mapping[int, Any]:
        """The workers by number, each with a `connection` to send to, receive from and poll."""

    def ensure(self) -> None:
        """Starts a worker on every device that has none."""

    def wait(self, fileno: int, seconds: float) -> list[int]:
        """Waits for messages, or for something to read at a file; returns which workers have sent or ended."""

    def now(self) -> float:
        """Returns the time in seconds, from some moment on."""

    def retire(self, index: int) -> End:
        """Lets a worker go that is done or dead, and says how it has ended."""

    def kill(self, index: int) -> End:
        """Ends a worker."""

    def refuse(self, index: int, reason: str) -> bool:
        """Tells whether others go on where a worker refuses what it was given; if so, its device is used no more."""


class Pulse:
    """Measures how long a worker has been silent, in seconds during which the parent was awake."""

    def __init__(self) -> None:
        self._quiet = self._stalled = self._longest = 0.0
        self._width = 1
        self._is_compiling = True
        self.has_unsaved = False

    def hear(self, message: Any) -> None:
        """Notes a message."""
        self._quiet = 0.0
        if isinstance(message, Alive):
            return
        if not self._is_compiling:
            self._longest = max(self._longest, self._stalled)
        self._stalled = 0.0
        if isinstance(message, Delivery):
            self._is_compiling, self.has_unsaved = False, True
        elif isinstance(message, Keep):
            self.has_unsaved = False

    def begin_pool(self, width: int) -> None:
        """Notes that the worker has something to compile."""
        self._is_compiling, self._longest, self._width = True, 0.0, width

    def wait(self, seconds: float) -> None:
        """Notes that nothing was heard for a while."""
        self._quiet += seconds
        self._stalled += seconds

    def complaint(self) -> str | None:
        """Says why the worker is taken to hang; `None` if it is not."""
        if self._quiet > QUIET_LIMIT:
            return f"gave no sign of life for {self._quiet:.0f} s"
        usual = max(_STALL_LIMIT, _STALL_FACTOR * self._width * self._longest)
        if self._stalled > (_COMPILE_LIMIT if self._is_compiling else usual):
            return f"got nowhere for {self._stalled:.0f} s"
        return None


class Supervisor:
    """Serves the workers of a crew."""

    def __init__(self, scheduler: Scheduler, crew: Workers, watch: SignalWatch) -> None:
        self._scheduler, self._crew, self._watch = scheduler, crew, watch
        self._notify = scheduler.hooks.notify
        self._pulses: defaultdict[int, Pulse] = defaultdict(Pulse)
        self._num_losses = 0
        self._deadline: float | None = None

    def run(self) -> None:
        """Serves until every run is over, or until the unfinished ones are handed in."""
        members = self._crew.members
        while members or self._scheduler.has_pending():
            if self._scheduler.has_pending():
                self._crew.ensure()
            before = self._crew.now()
            ready = self._crew.wait(self._watch.fileno(), _TICK)
            self._watch.drain()
            if self._watch.signal is not None and self._deadline is None:
                self._begin_to_stop()
            for index, worker in list(members.items()):
                if index in ready:
                    self._answer(index, worker)
            self._look_for_hangs(min(self._crew.now() - before, 2 * _TICK))
            if self._deadline is not None and self._crew.now() > self._deadline:
                return

    def _begin_to_stop(self) -> None:
        """Asks workers to hand in their unfinished runs; those that have none end at once."""
        self._scheduler.stop()
        self._deadline = self._crew.now() + GRACE
        for index, worker in list(self._crew.members.items()):
            with contextlib.suppress(OSError):
                if self._pulses[index].has_unsaved:
                    worker.connection.send(Stop())
                    continue
            self._crew.kill(index)
        if self._crew.members:
            self._notify(f"stopping once the unfinished runs are stored, in {GRACE:.0f} s at most")

    def _look_for_hangs(self, seconds: float) -> None:
        for index, worker in list(self._crew.members.items()):
            if worker.connection.poll():
                continue
            pulse = self._pulses[index]
            pulse.wait(seconds)
            complaint = pulse.complaint()
            if complaint is not None:
                end = self._crew.kill(index)
                self._replace(index, f"a worker {complaint} and was ended", end.is_of_runs)

    def _answer(self, index: int, worker: Any) -> None:
        try:
            message = worker.connection.recv()
            self._pulses[index].hear(message)
            if isinstance(message, Pull):
                assignment = self._scheduler.assign(index, message.num_free, message.num_busy)
                if assignment is not None and assignment.spec is not None:
                    self._pulses[index].begin_pool(assignment.spec.width)
                worker.connection.send(assignment)
                return
        except (EOFError, OSError):
            end = self._crew.retire(index)
            self._replace(index, f"a worker {end.words}", end.is_of_runs)
            return
        match message:
            case Alive():
                pass
            case Refused(reason):
                if not self._crew.refuse(index, reason):
                    raise InputError(reason)
                self._crew.retire(index)
                self._replace(index, "a worker refused its work", is_of_runs=False)
            case Failed(traceback):
                self._crew.retire(index)
                self._replace(index, f"a worker failed:\n{traceback.rstrip()}")
            case Done():
                self._crew.retire(index)
                self._pulses.pop(index, None)
            case report:
                self._scheduler.handle(index, report)
                if isinstance(report, Delivery):
                    self._num_losses = 0 if report.seed_steps else self._num_losses

    def _replace(self, index: int, what: str, is_of_runs: bool = True) -> None:
        self._pulses.pop(index, None)
        lost, failed = self._scheduler.lose(index, is_of_runs)
        self._num_losses += is_of_runs
        if self._num_losses >= _MAX_LOSSES_WITHOUT_PROGRESS:
            raise WorkerFailedError(
                f"{self._num_losses} workers ended one after another without progress; of the last one: {what}. "
                f"On Linux, exit code -9 often means too little memory: a smaller --width or fewer --workers need less"
            )
        if failed is not None:
            what += (
                f"; {failed.arm_name}, seed {failed.seed}: crashed several workers, alone and at the same step; marked "
                f"as failed"
            )
        num_again = len(lost) - (failed is not None)
        if num_again:
            runs = counted(num_again, "run continues", "runs continue")
            what += f"; {runs} in a new one, from the last checkpoint if there is one"
        self._notify(what)


def run_all(
    specs: Sequence[PoolSpec],
    pending: Sequence[list[Run]],
    hooks: Hooks,
    crew: Workers,
    watch: SignalWatch | None = None,
) -> None:
    """Runs everything that is pending, per pool; with a crew of no workers, in this process.

    Raises InputError if something does not fit a worker's device, WorkerFailedError if workers end one after another,
    and Interrupted after a signal, when the unfinished runs are handed in.
    """
    scheduler = Scheduler(specs, pending, hooks)
    if scheduler.is_done:
        return
    with SignalWatch() if watch is None else contextlib.nullcontext(watch) as watching:
        with watching.deferred():
            if crew.num_workers == 0:
                serve_here(scheduler, watching, crew.settings)
            else:
                Supervisor(scheduler, crew, watching).run()
        watching.check()
