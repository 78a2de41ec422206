"""Workers on a cluster, as a supervisor sees them: one for each device of each node."""

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import pickle
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine
from multiprocessing.connection import wait as wait_for
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from ...lanes.host_batches import Spooled
from ..devices import Devices
from ..messages import Assignment, Delivery
from ..processes import End
from .node import Cargo, Inbox, Node, Terms
from .nodes import Nodes
from .scheduler_line import SchedulerLine
from .station import Wanted

# Smaller arrays go along with what is said.
_CARGO_BYTES = 2**16
_LEAVING = 10.0
# Of a node that is not heard for so many seconds a worker is not to blame for its silence.
_UNHEARD = 15.0
# Fewer than end a run for good.
_MOST_ENDS = 2
T = TypeVar("T")


@dataclasses.dataclass
class Record:
    """What the workers of a node have brought: chunks of steps, and since the last one the ends of workers."""

    num_deliveries: int = 0
    num_ends: int = 0


class Line(NamedTuple):
    """The parent's end of a line to a process on a node, in place of a pipe."""

    inbox: Inbox
    record: Record
    send: Callable[[Any], None]

    def poll(self) -> bool:
        """Tells whether there is a message to receive, or an end to find."""
        return bool(self.inbox.letters) or self.inbox.end is not None

    def recv(self) -> Any:
        """Returns the next message; raises EOFError once there is none to come."""
        if not self.inbox.letters:
            raise EOFError
        message = pickle.loads(self.inbox.letters.popleft())
        if isinstance(message, Delivery) and message.seed_steps:
            self.record.num_deliveries += 1
            self.record.num_ends = 0
        return message


class Member(NamedTuple):
    """A process on a device of a node."""

    connection: Line
    node: Node
    device: int


class ClusterCrew:
    """Workers on the nodes of a Dask cluster, from entry to exit; nodes that come are used at once.

    Each device of a host has one worker, also where several nodes of the host see it. Arrays travel to a node once.

    A node on which one worker after another ends, while others come to something, is given up, and so is one that
    refuses what another node does: no run is to blame for that.

    Args:
        line: to the scheduler of the cluster.
        notify: told what a person should know of the nodes.
        patience: seconds in which a first node must be there.
    """

    def __init__(self, line: SchedulerLine, terms: Terms, notify: Callable[[str], None], patience: float) -> None:
        self.settings, self._notify, self._patience = terms.settings, notify, patience
        self.members: dict[int, Member] = {}
        self._num_tickets = 0
        self._is_told_of_none = False
        # Changes of the nodes after which every device had a worker; a worker that goes leaves one free.
        self._ensured_at = -1
        self._said = deque[str]()
        self._has_joined = False
        self._nodes = Nodes(line, terms, self._say, self._wake)
        self._records: defaultdict[str, Record] = defaultdict(Record)
        self._told_idle: set[str] = set()
        # Of arrays that the study holds on to, by their identity.
        self._digests: dict[int, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._await(self._nodes.join(self._patience))
        except BaseException:
            self._close()
            raise
        self._has_joined = True
        self.ensure()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            # What goes wrong in leaving must not hide what happened before: stations end by themselves.
            with contextlib.suppress(Exception):
                self._await(asyncio.wait_for(self._nodes.leave(), _LEAVING))
        finally:
            self._close()

    def _close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for end in (self._wake_reader, self._wake_writer):
            os.close(end)

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        self._loop.call_soon_threadsafe(function, *args)

    def _say(self, words: str) -> None:
        # Nobody asks for what was said before a first node is there.
        (self._said.append if self._has_joined else self._notify)(words)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b"!")

    @property
    def devices(self) -> Devices:
        """The devices of all nodes."""
        return self._nodes.devices

    @property
    def launch(self) -> dict[str, Any] | None:
        """The launch that the first node would be by itself: what bits depend on there."""
        return self._nodes.launch

    @property
    def num_workers(self) -> int:
        """Devices that there are now, at least 1."""
        return max(1, sum(len(devices) for _, devices in self._shared_devices()))

    def ensure(self) -> None:
        """Starts a worker on every device that has none."""
        num_changes = self._nodes.num_changes
        if num_changes == self._ensured_at:
            return
        self._ensured_at = num_changes
        busy = {(member.node, member.device) for member in self.members.values()}
        shared = self._shared_devices()
        num_sharing = Counter[str]()
        for node, devices in shared:
            num_sharing[node.description.host] += len(devices)
        for node, devices in shared:
            if not devices and node.address not in self._told_idle:
                self._told_idle.add(node.address)
                self._notify(f"node {node.address} has no device that others of its host have not")
            for device in devices:
                if (node, device) not in busy:
                    self._start(node, device, num_sharing[node.description.host])
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

    def _ready(self) -> list[int]:
        return [index for index, member in self.members.items() if member.connection.poll()]

    def now(self) -> float:
        """Returns the time in seconds, from some moment on."""
        return time.monotonic()

    def retire(self, index: int) -> End:
        """Lets a worker go that is done or dead, and says how it has ended."""
        member = self.members.pop(index)
        self._ensured_at = -1
        self._call(self._nodes.forget, member.node, index)
        end = member.connection.inbox.end
        return self._judged(member, end) if end is not None else End("was ended")

    def kill(self, index: int) -> End:
        """Ends a worker: it has nothing on disk that could be half-written."""
        member = self.members[index]
        self.retire(index)
        if member.node.seconds_unheard > _UNHEARD:
            return End("was ended on a node that is not heard", is_of_runs=False)
        return self._judged(member, End("was ended"))

    def refuse(self, index: int, reason: str) -> bool:
        """Gives the node of a worker up that refuses its work; tells whether others go on without it."""
        member = self.members[index]
        if not self._is_another_at_work(member.node):
            return False
        self._call(self._nodes.give_up, member.node, reason)
        return True

    def _is_another_at_work(self, node: Node) -> bool:
        there = {other.address for other in self._nodes.in_order()} - {node.address}
        return any(self._records[address].num_deliveries for address in there)

    def _judged(self, member: Member, end: End) -> End:
        """Returns the end as it counts: where one worker after another ends on a node only, it is the node's."""
        if not end.is_of_runs:
            return end
        record = member.connection.record
        record.num_ends += 1
        if record.num_ends < _MOST_ENDS or not self._is_another_at_work(member.node):
            return end
        self._call(self._nodes.give_up, member.node, f"{record.num_ends} workers ended there, one after another")
        return end._replace(is_of_runs=False)

    def _shared_devices(self) -> list[tuple[Node, list[int]]]:
        """Returns every node with those of its devices that no node of its host before it has."""
        taken, shared = defaultdict[str, set[str]](set), []
        for node in self._nodes.in_order():
            of_host, visible = taken[node.description.host], node.description.visible
            shared.append((node, [i for i, name in enumerate(visible) if name not in of_host]))
            of_host.update(visible)
        return shared

    def _start(self, node: Node, device: int, num_sharing: int) -> None:
        self._num_tickets += 1
        ticket, inbox = self._num_tickets, Inbox()
        record = self._records[node.address]
        self.members[ticket] = Member(
            Line(inbox, record, lambda message: self._send(node, ticket, message)), node, device
        )
        self._call(self._nodes.want, node, inbox, Wanted(ticket, device, num_sharing))

    def _send(self, node: Node, ticket: int, message: Any) -> None:
        cargo: list[Cargo] = []
        if isinstance(message, Assignment) and message.spec is not None:
            data, cargo = self._ship(node, message.spec.data)
            message = message._replace(spec=message.spec._replace(data=data))
        letter = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._call(self._nodes.write, node, ticket, cargo, letter)

    def _ship(self, node: Node, data: dict[str, Any]) -> tuple[dict[str, Any], list[Cargo]]:
        """Returns the data as files of a node, and the arrays in them."""
        shipped, cargo = dict(data), []
        for name, array in data.items():
            opened: np.ndarray = array.open() if isinstance(array, Spooled) else array
            if not isinstance(array, Spooled) and opened.nbytes < _CARGO_BYTES:
                continue
            if id(array) not in self._digests:
                self._digests[id(array)] = _digest(opened)
            file = f"plateau-{self._digests[id(array)]}.npy"
            shipped[name] = Spooled(f"{node.description.folder}/{file}")
            cargo.append(Cargo(file, opened))
        return shipped, cargo


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
