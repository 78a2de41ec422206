"""Workers without processes: they train nothing, and deliver rows that are known beforehand."""

import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.lanes.checkpoint import Checkpoint
from engine.lanes.runs import Run, run_key, seed_columns
from engine.outcomes import event_code
from engine.workers.devices import Devices
from engine.workers.messages import Alive, CompletedRun, Delivery, Done, Failed, Keep, Note, Pull, Reject, Stop
from engine.workers.processes import End, Worker
from engine.workers.serving import ServeSettings

_CHUNK = 22
_EVERY = 11


def row_of(run: Run) -> dict[str, Any]:
    """Returns the row of a run, which follows from its seeds."""
    draw = np.random.default_rng([run.init_seed, run.order_seed, run.horizon, len(run.arm_name)])
    steps = np.arange(0, run.horizon + 1, _EVERY, dtype=np.int64)
    loss = np.sort(draw.uniform(0.1, 2.3, size=len(steps)).astype(np.float32))[::-1].copy()
    status = draw.choice(["broke", "stuck", "diverged"], p=[0.7, 0.2, 0.1])
    onset = float(draw.uniform(0, run.horizon))
    return {
        **seed_columns(run),
        "status": str(status),
        "event": event_code(status),
        "stop_reason": "diverged" if status == "diverged" else "horizon",
        "onset_step": onset if status == "broke" else None,
        "chance_loss": 2.3,
        "steps_run": run.horizon,
        "steps": steps,
        "loss": loss,
        "batch_loss": draw.uniform(size=run.horizon).astype(np.float32),
    }


def kept_of(run: Run, step: int) -> dict[str, np.ndarray]:
    """Returns what a checkpoint of a run holds, which follows from its seeds and its step."""
    return {"state": np.random.default_rng([run.init_seed, step]).uniform(size=4)}


class Habits(NamedTuple):
    """How likely a worker dies, hangs, fails, hands in or sends a note instead of going on; and who always ends it.

    Of the deaths a share of `leaves` are those of its node, which blame no run.
    """

    dies: float
    hangs: float
    fails: float
    keeps: float
    rejects: float
    poisonous: frozenset[tuple[Any, ...]]
    leaves: float = 0.0


class WrongStartError(AssertionError):
    """A run was to go on from a checkpoint that is not its own."""


class _Lanes:
    """One worker: what it has been given, and what it says next."""

    def __init__(self, chance: random.Random, habits: Habits, on_end: Callable[[dict[Run, int]], None]) -> None:
        self._chance, self._habits, self._on_end = chance, habits, on_end
        self._runs: dict[Run, int] = {}
        self._width = 2
        self._outbox: deque[Any] = deque()
        self._waits = self._is_stopping = self._is_silent = False
        self.is_dead = self.has_left = False

    def act(self) -> bool:
        """Does the next thing; tells whether the parent has something to read, or sees its end."""
        if self._outbox or self.is_dead:
            return True
        if self._waits or self._is_silent:
            return False
        draw, habits = self._chance.random(), self._habits
        if any(run_key(run) in habits.poisonous for run in self._runs):
            self.kill()
        elif draw < habits.dies:
            self.has_left = self._chance.random() < habits.leaves
            self.kill()
        elif (draw := draw - habits.dies) < habits.hangs:
            self._is_silent = True
            return False
        elif (draw := draw - habits.hangs) < habits.fails:
            self._outbox.append(Failed("Traceback: made up"))
            self.kill()
        elif self._is_stopping and self._runs:
            self._outbox += [self._keep(), Done(None)]
            self.is_dead = True
        elif (draw := draw - habits.fails) < habits.rejects and self._runs:
            self._runs.clear()
            self._outbox.append(Reject("made up"))
        elif (draw := draw - habits.rejects) < habits.keeps and self._runs and min(self._runs.values()):
            self._outbox.append(self._keep())
        elif self._runs and (len(self._runs) == self._width or self._chance.random() < 0.7):
            self._outbox.append(self._advance())
        else:
            self._outbox.append(Pull(self._width - len(self._runs), len(self._runs)))
            self._waits = True
        return True

    def _keep(self) -> Keep:
        kept = [Checkpoint(run, step, kept_of(run, step)) for run, step in self._runs.items() if step]
        return Keep(kept)

    def _advance(self) -> Delivery:
        taken, completed = 0, []
        for run, step in list(self._runs.items()):
            new = min(step + _CHUNK, run.horizon)
            taken += new - step
            self._runs[run] = new
            if new == run.horizon:
                del self._runs[run]
                completed.append(CompletedRun(run, row_of(run)))
        return Delivery(taken, completed)

    # What a connection does.

    def poll(self) -> bool:
        """Whether there is something to read."""
        return bool(self._outbox) or self.is_dead

    def recv(self) -> Any:
        """Returns the next message."""
        if self._outbox:
            return self._outbox.popleft()
        raise EOFError

    def send(self, message: Any) -> None:
        """Takes an answer of the parent."""
        if self.is_dead:
            raise BrokenPipeError
        if isinstance(message, Stop):
            self._is_stopping = True
            return
        self._waits = False
        if message is None:
            if not self._runs:
                self._outbox.append(Done(None))
                self.is_dead = True
            return
        if message.spec is not None:
            self._width = message.spec.width
            self._outbox.append(Note("a program was compiled"))
        for run in message.runs:
            kept = message.checkpoints.get(run)
            if kept is not None:
                expected = kept_of(run, kept.step)
                if kept.run != run or any(not np.array_equal(kept.arrays[n], expected[n]) for n in expected):
                    raise WrongStartError(f"{run_key(run)} from step {kept.step}")
            self._runs[run] = 0 if kept is None else kept.step
        self._outbox.append(Alive())

    def close(self) -> None:
        """Closes the connection."""

    # What a process does.

    exitcode = -9

    def kill(self) -> None:
        """Ends it."""
        if not self.is_dead:
            self.is_dead = True
            if not self.has_left:
                self._on_end(self._runs)

    def join(self) -> None:
        """Waits for its end."""


class SimulatedCrew:
    """Workers of a simulated launch, with the interface of `engine.workers.supervisor.Workers`."""

    def __init__(self, chance: random.Random, num_workers: int, habits: Habits, world: Any) -> None:
        self.devices = Devices("cpu", num_workers, "simulated")
        self.num_workers = num_workers
        self.settings = ServeSettings(None, num_workers)
        self.launch = None
        self.members: dict[int, Worker] = {}
        self._chance, self._habits, self._world = chance, habits, world
        self._time = 0.0

    def start(self, index: int) -> None:
        """Starts a worker."""
        lanes = _Lanes(self._chance, self._habits, self._world.note_end)
        self.members[index] = Worker(lanes, lanes)  # type: ignore[arg-type]

    def ensure(self) -> None:
        """Starts every worker that is not there."""
        for index in set(range(self.num_workers)) - set(self.members):
            self.start(index)

    def wait(self, fileno: int, seconds: float) -> list[int]:
        """Lets something happen, and returns which workers have sent or ended."""
        self._world.happen()
        order = list(self.members)
        self._chance.shuffle(order)
        # One after the other, in any order, as the processes of a machine.
        ready = [i for i in order if self._chance.random() < 0.6 and self.members[i].connection.act()]  # type: ignore[attr-defined]
        self._time += self._chance.uniform(0, 0.5) if ready else seconds
        return ready

    def now(self) -> float:
        """Returns the time, which jumps where the machine slept."""
        if self._chance.random() < 0.002:
            self._time += 10_000.0
        return self._time

    def retire(self, index: int) -> End:
        """Removes a worker that is done or dead."""
        lanes: Any = self.members.pop(index).process
        return End("was lost with its node", is_of_runs=False) if lanes.has_left else End("died with exit code -9")

    def kill(self, index: int) -> End:
        """Ends a worker."""
        self.members[index].process.kill()
        return self.retire(index)

    def refuse(self, index: int, reason: str) -> bool:
        """Tells that nobody goes on where a worker refuses."""
        return False
