"""The parent's side of a cluster: one worker for each device of each node, whatever nodes come and go."""

import asyncio
import contextlib
import os
import pickle
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from multiprocessing.connection import wait as wait_for
from typing import Any, NamedTuple, Self, TypeVar

from ...errors import InputError
from ...lanes.versions import versions
from ...store.provenance import code_digest
from ..devices import Devices
from ..processes import End
from ..serving import ServeSettings
from . import station
from .scheduler_line import SchedulerLine, UnreachableError
from .station import Description, Wanted

# Seconds in which a first node must be there.
FIRST_NODE = 30.0
_LOOK_EVERY = 1.0
_LISTEN = 5.0
_RETRY = 0.25
_GONE = End("was lost with its node", is_of_runs=False)
# A node that is silent for so many seconds is taken to have left.
_SILENCE = 30.0
T = TypeVar("T")


class Line:
    """The parent's end of a line to a process on a node, in place of a pipe."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send, self._inbox = send, deque[bytes]()
        self.end: End | None = None

    def send(self, message: Any) -> None:
        """Sends a message; what is sent to a process that is gone is lost with it."""
        self._send(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))

    def poll(self) -> bool:
        """Tells whether there is a message to receive, or an end to find."""
        return bool(self._inbox) or self.end is not None

    def recv(self) -> Any:
        """Returns the next message; raises EOFError once there is none to come."""
        if not self._inbox:
            raise EOFError
        return pickle.loads(self._inbox.popleft())

    def hear(self, letter: bytes) -> None:
        """Takes what has arrived."""
        self._inbox.append(letter)


class Member(NamedTuple):
    """A process on a node."""

    connection: Line
    node: "_Node"
    device: int


class _Node:
    """What the parent knows of a node, and what the node has still to hear. Used on the loop of the crew only."""

    def __init__(self, address: str, description: Description) -> None:
        self.address, self.description = address, description
        self.wanted: dict[int, Wanted] = {}
        self.lines: dict[int, Line] = {}
        self.letters: list[tuple[int, int, bytes]] = []
        self.num_sent = self.num_had = 0
        self.has_news = asyncio.Event()
        self.is_gone = False
        self.last_heard = time.monotonic()
        self.tasks: list[asyncio.Task[None]] = []

    def write(self, ticket: int, letter: bytes) -> None:
        self.num_sent += 1
        self.letters.append((self.num_sent, ticket, letter))
        self.has_news.set()


class ClusterCrew:
    """Workers on the nodes of a Dask cluster, from entry to exit; nodes that come are used at once.

    Of the first node that can be used the kind of device is taken, and nodes with another are not used, since bits
    depend on it; nor are those with other versions of what computes. Each device of a host has one worker.

    Args:
        line: to the scheduler of the cluster.
        settings: of the workers; `num_sharing` is set for each host.
        notify: told of nodes that come, go, or cannot be used.
    """

    def __init__(self, line: SchedulerLine, settings: ServeSettings, notify: Callable[[str], None]) -> None:
        self.settings, self._line, self._notify = settings, line, notify
        self.members: dict[int, Member] = {}
        self.devices = Devices("", 0)
        self._key = uuid.uuid4().hex
        self._versions = versions()
        self._nodes: dict[str, _Node] = {}
        self._refused: dict[str, str] = {}
        self._num_tickets = 0
        self._is_told_of_none = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        self._looking: asyncio.Task[None] | None = None
        self._said: deque[str] = deque()

    @property
    def num_workers(self) -> int:
        """Devices that there are now, at least 1."""
        return max(1, sum(len(self._free_devices(node, is_all=True)) for node in list(self._nodes.values())))

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._on_loop(self._join())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(UnreachableError, TimeoutError):
            self._on_loop(asyncio.wait_for(self._leave(), 10.0))
        self._close()

    def _close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for end in (self._wake_reader, self._wake_writer):
            os.close(end)

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # What a supervisor does.

    def ensure(self) -> None:
        """Starts a worker on every device that has none."""
        for node in list(self._nodes.values()):
            for device in self._free_devices(node):
                self._start(node, device)
        if not self.members and not self._is_told_of_none:
            self._notify("no node of the cluster is left: waiting for others to join")
        self._is_told_of_none = not self.members

    def wait(self, fileno: int, seconds: float) -> list[int]:
        """Waits for messages, or for something to read at a file; returns which workers have sent or ended."""
        if not self._ready():
            wait_for([self._wake_reader, fileno], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 2**16)
        while self._said:
            self._notify(self._said.popleft())
        return self._ready()

    def now(self) -> float:
        """Returns the time in seconds, from some moment on."""
        return time.monotonic()

    def retire(self, index: int) -> End:
        """Lets a worker go that is done or dead, and says how it has ended."""
        member = self.members.pop(index)
        self._loop.call_soon_threadsafe(self._forget, member.node, index)
        return member.connection.end or End("was ended")

    def kill(self, index: int) -> End:
        """Ends a worker: it has nothing on disk that could be half-written."""
        return self.retire(index)

    # Below, in the thread of the supervisor.

    def _ready(self) -> list[int]:
        return [index for index, member in self.members.items() if member.connection.poll()]

    def _free_devices(self, node: _Node, is_all: bool = False) -> list[int]:
        """Returns the devices of a node that no node of its host before it has, and, unless `is_all`, no worker."""
        if node.is_gone:
            return []
        host, taken = node.description.host, set[str]()
        for other in list(self._nodes.values()):
            if other is node:
                break
            if other.description.host == host and not other.is_gone:
                taken.update(other.description.visible)
        own = [i for i, name in enumerate(node.description.visible) if name not in taken]
        busy = set() if is_all else {m.device for m in self.members.values() if m.node is node}
        return [i for i in own if i not in busy]

    def _start(self, node: _Node, device: int) -> None:
        self._num_tickets += 1
        ticket = self._num_tickets
        line = Line(lambda letter: self._put(node, ticket, letter))
        self.members[ticket] = Member(line, node, device)
        host = node.description.host
        num_sharing = sum(
            other.description.devices.num_devices
            for other in list(self._nodes.values())
            if other.description.host == host and not other.is_gone
        )
        self._loop.call_soon_threadsafe(self._want, node, line, Wanted(ticket, device, max(1, num_sharing)))

    def _put(self, node: _Node, ticket: int, letter: bytes) -> None:
        self._loop.call_soon_threadsafe(node.write, ticket, letter)

    # Below, on the loop.

    def _want(self, node: _Node, line: Line, wanted: Wanted) -> None:
        node.lines[wanted.ticket] = line
        if node.is_gone:
            self._end(node, wanted.ticket, _GONE)
            return
        node.wanted[wanted.ticket] = wanted
        node.has_news.set()

    def _forget(self, node: _Node, ticket: int) -> None:
        node.wanted.pop(ticket, None)
        node.lines.pop(ticket, None)
        node.letters = [one for one in node.letters if one[1] != ticket]
        node.has_news.set()

    def _end(self, node: _Node, ticket: int, end: End) -> None:
        line = node.lines.pop(ticket, None)
        if line is not None:
            line.end = end
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b"!")

    def _say(self, words: str) -> None:
        self._said.append(words)
        self._wake()

    async def _join(self) -> None:
        """Waits for a first node."""
        await self._line.open()
        deadline = time.monotonic() + FIRST_NODE
        while not self._nodes:
            await self._look()
            if self._nodes:
                break
            if time.monotonic() > deadline:
                reasons = "; ".join(self._refused.values()) or "no worker of Dask has joined it"
                raise InputError(f"the cluster at {self._line.address} has no node that can be used: {reasons}")
            await asyncio.sleep(_RETRY)
        self._looking = self._loop.create_task(self._keep_looking())

    async def _leave(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for node in self._nodes.values():
            for task in node.tasks:
                task.cancel()
        await self._line.call_on(list(self._nodes), station.leave, self._key)
        await self._line.close()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            with contextlib.suppress(UnreachableError):
                await self._look()

    async def _look(self) -> None:
        """Finds which nodes have come, and which have gone."""
        there = await self._line.nodes()
        for address in set(self._nodes) - there:
            self._lose(address)
        self._refused = {address: why for address, why in self._refused.items() if address in there}
        new = there - set(self._nodes) - set(self._refused)
        found = await self._line.call_on(list(new), station.prepare, self._key, self.settings) if new else {}
        for address, description in found.items():
            why = description if isinstance(description, str) else self._find_reason_against(description)
            if why is not None:
                self._refused[address] = f"{address}: {why}"
                self._say(f"a node is not used: {self._refused[address]}")
            else:
                self._take(address, description)

    def _find_reason_against(self, description: Description) -> str | None:
        """Says why a node cannot be used, or returns `None`."""
        ours = {"python": None, **self._versions}
        for name, version in description.versions.items():
            if ours.get(name) is not None and version != ours[name]:
                return f"it has {name} {version}, and this machine {ours[name]}"
        if description.code != code_digest():
            return "its engine differs from the one here: install the same version"
        kind, devices = self.devices, description.devices
        if kind.platform and (devices.platform, devices.kind) != (kind.platform, kind.kind):
            return f"its devices are {devices.kind or devices.platform}, and those of this launch are {kind.kind}"
        return None

    def _take(self, address: str, description: Description) -> None:
        num_devices = self.devices.num_devices + description.devices.num_devices
        self.devices = description.devices._replace(num_devices=num_devices)
        node = self._nodes[address] = _Node(address, description)
        node.tasks = [self._loop.create_task(body(node)) for body in (self._tell, self._listen)]
        self._wake()

    def _lose(self, address: str) -> None:
        node = self._nodes.pop(address)
        node.is_gone = True
        for task in node.tasks:
            task.cancel()
        for ticket in list(node.lines):
            self._end(node, ticket, _GONE)
        self.devices = self.devices._replace(
            num_devices=max(1, self.devices.num_devices - node.description.devices.num_devices)
        )

    async def _tell(self, node: _Node) -> None:
        """Tells a node what it has to hear, again and again until it has."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(node.has_news.wait(), _LISTEN)
            node.has_news.clear()
            wanted, letters = [list(one) for one in node.wanted.values()], list(node.letters)
            num_heard = await self._ask(node, station.TELL, wanted=wanted, letters=letters)
            if num_heard is None:
                return
            node.letters = [one for one in node.letters if one[0] > num_heard]

    async def _listen(self, node: _Node) -> None:
        """Hears what a node says."""
        while True:
            said = await self._ask(node, station.LISTEN, num_had=node.num_had, seconds=_LISTEN)
            if said is None:
                return
            for number, ticket, what in said:
                if number <= node.num_had:
                    continue
                node.num_had = number
                if isinstance(what, bytes):
                    if ticket in node.lines:
                        node.lines[ticket].hear(what)
                else:
                    self._end(node, ticket, End(f"died with exit code {what}"))
            if said:
                self._wake()

    async def _ask(self, node: _Node, op: str, **about: Any) -> Any:
        """Asks a node until it answers; loses it and returns `None` where it does not, or has another station."""
        while True:
            try:
                answer = await self._line.ask(
                    node.address, op, key=self._key, station=node.description.station, **about
                )
            except UnreachableError:
                answer = None
                if time.monotonic() - node.last_heard < _SILENCE:
                    await asyncio.sleep(_RETRY)
                    continue
            if answer is not None:
                node.last_heard = time.monotonic()
            elif self._nodes.get(node.address) is node:
                self._lose(node.address)
            return answer
