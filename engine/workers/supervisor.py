"""Answers workers, replaces those that die or hang, and has them hand in what is under way."""

import time
from collections.abc import Sequence
from multiprocessing.connection import wait

from engine.errors import InputError, WorkerFailedError
from engine.lanes.lane import PoolSpec
from engine.lanes.runs import Run
from engine.workers.interruption import SignalWatch
from engine.workers.messages import Hooks
from engine.workers.processes import Crew, Worker
from engine.workers.scheduler import Scheduler
from engine.workers.serving import serve_here

_MAX_LOSSES_WITHOUT_PROGRESS = 4
# Seconds in which workers can hand in what is under way once a signal has come.
GRACE = 20.0
_TICK = 1.0
# Seconds without a sign of life after which a process hangs.
_QUIET_LIMIT = 60.0
# Seconds without a message after which a worker hangs: while it compiles; at least; and in
# proportion to the longest that a lane of it has taken so far.
_COMPILE_LIMIT = 3600.0
_STALL_LIMIT = 300.0
_STALL_FACTOR = 10.0


class _Pulse:
    """How long ago a worker was last heard of, in seconds during which the parent was awake.

    So neither a clock that jumps nor a parent that was suspended makes a worker look dead.
    """

    def __init__(self) -> None:
        self.quiet = self.stalled = self._longest = 0.0
        self._width = 1
        self.is_compiling = True
        self.has_unsaved = False

    def hear(self, kind: str) -> None:
        """Notes a message."""
        self.quiet = 0.0
        if kind == "alive":
            return
        if not self.is_compiling:
            self._longest = max(self._longest, self.stalled)
        self.stalled = 0.0
        if kind == "deliver":
            self.is_compiling, self.has_unsaved = False, True
        elif kind == "keep":
            self.has_unsaved = False

    def begin_pool(self, width: int) -> None:
        """Notes that the worker has something to compile."""
        self.is_compiling, self._longest, self._width = True, 0.0, width

    def wait(self, seconds: float) -> None:
        """Notes that nothing was heard for a while."""
        self.quiet += seconds
        self.stalled += seconds

    def complaint(self) -> str | None:
        """Why the worker is taken to hang, in words; `None` where it is not."""
        if self.quiet > _QUIET_LIMIT:
            return f"gave no sign of life for {self.quiet:.0f} s"
        usual = max(_STALL_LIMIT, _STALL_FACTOR * self._width * self._longest)
        if self.stalled > (_COMPILE_LIMIT if self.is_compiling else usual):
            return f"got nowhere for {self.stalled:.0f} s"
        return None


class Supervisor:
    """Serves the workers of a crew.

    Args:
        scheduler: of the runs.
        crew: of workers.
        watch: for signals.
    """

    def __init__(self, scheduler: Scheduler, crew: Crew, watch: SignalWatch) -> None:
        self._scheduler = scheduler
        self._crew = crew
        self._watch = watch
        self._notify = scheduler.hooks.notify
        self._pulses: dict[int, _Pulse] = {}
        self._num_losses = 0
        self._deadline: float | None = None

    def run(self) -> None:
        """Serves until every run is over, or until what is under way is handed in."""
        members = self._crew.members
        while members:
            before = time.monotonic()
            connections = [worker.connection for worker in members.values()]
            ready = wait([*connections, self._watch.fileno()], _TICK)
            self._watch.drain()
            if self._watch.signal is not None and self._deadline is None:
                self._begin_to_stop()
            for index, worker in list(members.items()):
                if worker.connection in ready:
                    self._answer(index, worker)
            self._look_for_hangs(min(time.monotonic() - before, 2 * _TICK))
            if self._deadline is not None and time.monotonic() > self._deadline:
                return

    def _pulse(self, index: int) -> _Pulse:
        return self._pulses.setdefault(index, _Pulse())

    def _begin_to_stop(self) -> None:
        """Asks workers to hand in what is under way; those that have nothing end at once."""
        self._scheduler.stop()
        self._deadline = time.monotonic() + GRACE
        for index, worker in list(self._crew.members.items()):
            try:
                if self._pulse(index).has_unsaved:
                    worker.connection.send(("stop", None))
                    continue
            except OSError:
                pass
            self._crew.kill(index)
        if self._crew.members:
            self._notify(f"stopping as soon as what is under way is stored, in {GRACE:.0f} s at most")

    def _look_for_hangs(self, seconds: float) -> None:
        """Ends workers that have said nothing for too long."""
        for index, worker in list(self._crew.members.items()):
            if worker.connection.poll():
                continue
            pulse = self._pulse(index)
            pulse.wait(seconds)
            complaint = pulse.complaint()
            if complaint is not None:
                self._crew.kill(index)
                self._replace(index, f"a worker {complaint} and was ended")

    def _answer(self, index: int, worker: Worker) -> None:
        try:
            kind, *content = worker.connection.recv()
            self._pulse(index).hear(kind)
            if kind == "pull":
                assignment = self._scheduler.assign(index, *content)
                if assignment is not None and assignment.spec is not None:
                    self._pulse(index).begin_pool(assignment.spec.width)
                worker.connection.send(("assignment", assignment))
                return
        except (EOFError, OSError):
            code = self._crew.retire(index)
            self._replace(index, f"a worker died with exit code {code}")
            return
        if kind == "deliver":
            if content[0].seed_steps:
                self._num_losses = 0
            self._scheduler.deliver(index, content[0])
            if self._scheduler.has_pending():
                self._crew.ensure()
        elif kind == "keep":
            self._scheduler.keep(content[0])
        elif kind == "reject":
            self._scheduler.reject(index, content[0])
        elif kind == "note":
            self._notify(content[0])
        elif kind == "refused":
            raise InputError(content[0])
        elif kind == "failed":
            self._crew.retire(index)
            self._replace(index, f"a worker failed:\n{content[0].rstrip()}")
        elif kind == "done":
            self._crew.retire(index)
            self._pulses.pop(index, None)

    def _replace(self, index: int, what: str) -> None:
        """Takes note of a dead worker; a new one takes its place while there is work for it."""
        self._pulses.pop(index, None)
        loss = self._scheduler.lose(index)
        self._num_losses += 1
        if self._num_losses >= _MAX_LOSSES_WITHOUT_PROGRESS:
            raise WorkerFailedError(
                f"{self._num_losses} workers ended one after another without progress; of the last "
                f"one: {what}. On Linux, exit code -9 often means too little memory: a smaller "
                f"--width or fewer --workers need less"
            )
        failed = loss.failed
        if failed is not None:
            what += f"; {failed.arm_name} seed {failed.seed} has ended two and is given up"
        num_again = len(loss.runs) - (failed is not None)
        if num_again:
            runs = "1 run goes" if num_again == 1 else f"{num_again} runs go"
            what += f"; {runs} on in a new one, from the last checkpoint where there is one"
        self._notify(what)
        if self._scheduler.has_pending():
            self._crew.start(index)


def run_all(
    specs: Sequence[PoolSpec],
    pending: Sequence[Sequence[Run]],
    hooks: Hooks,
    crew: Crew,
    watch: SignalWatch | None = None,
) -> None:
    """Runs everything that is pending.

    Args:
        specs: of the pools, by group.
        pending: runs of each group.
        hooks: called in this process when something happens.
        crew: of workers; without any, everything runs in this process.
        watch: for signals that ask to stop; by default one of its own.

    Raises:
        InputError: a worker found that what it was given does not fit its device.
        WorkerFailedError: workers end one after another; the message says how the last one did.
        Interrupted: a signal came; what was under way is handed in.
    """
    scheduler = Scheduler(specs, pending, hooks)
    if scheduler.is_done:
        return
    if watch is None:
        with SignalWatch() as own:
            run_all(specs, pending, hooks, crew, own)
        return
    with watch.deferred():
        if crew.num_workers == 0:
            serve_here(scheduler, watch, crew.settings)
        else:
            crew.ensure()
            Supervisor(scheduler, crew, watch).run()
    watch.check()
