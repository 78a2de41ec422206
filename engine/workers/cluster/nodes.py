"""The parent's side of a cluster, as it talks to nodes: what they have still to hear, and what they have said."""

import asyncio
import contextlib
import io
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, one_line
from ...lanes.versions import NUMERICAL, versions
from ...store.provenance import code_digest
from ..devices import Devices
from ..processes import End
from ..serving import ServeSettings
from . import station
from .scheduler_line import SchedulerLine, UnreachableError
from .station import Description, Wanted

# A node that is silent for so many seconds is taken to have left.
SILENCE = 30.0
_LOOK_EVERY = 1.0
_LISTEN = 5.0
_RETRY = 0.25
_PIECE = 2**26
_GONE = End("was lost with its node", is_of_runs=False)


class Inbox:
    """What a process on a node has said, and its end; filled on the loop, and emptied by the supervisor."""

    def __init__(self) -> None:
        self.letters = deque[bytes]()
        self.end: End | None = None


class Cargo(NamedTuple):
    """An array that a node must have before it hears what follows, under a name of its own."""

    name: str
    array: np.ndarray


class Node:
    """What is known of a node, and what it has still to hear."""

    def __init__(self, address: str, description: Description) -> None:
        self.address, self.description = address, description
        self.wanted: dict[int, Wanted] = {}
        self.inboxes: dict[int, Inbox] = {}
        self.cargo: list[Cargo] = []
        # Names of what it has, or is to be brought.
        self.brought: set[str] = set()
        self.letters: list[tuple[int, int, bytes]] = []
        self.num_sent = self.num_had = 0
        self.has_news = asyncio.Event()
        self.is_gone = False
        self.last_heard = time.monotonic()
        self.tasks: list[asyncio.Task[None]] = []


class Nodes:
    """The nodes of a cluster, as they come and go. All methods but `in_order` and `devices` are for the loop.

    Of the first node that can be used the kind of device is taken, and nodes with another are not used, since bits
    depend on it; nor are those with other versions of what computes.

    Args:
        line: to the scheduler of the cluster.
        settings: of the workers.
        say: called with what a person should know.
        wake: called when something has changed, or was said.
        patience: seconds in which a first node must be there.
    """

    def __init__(
        self,
        line: SchedulerLine,
        settings: ServeSettings,
        say: Callable[[str], None],
        wake: Callable[[], None],
        patience: float,
    ) -> None:
        self._patience = patience
        self._line, self._settings, self._say, self._wake = line, settings, say, wake
        self.devices = Devices("", 0)
        self._key = uuid.uuid4().hex
        self._nodes: dict[str, Node] = {}
        self._refused: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None

    def in_order(self) -> list[Node]:
        """Returns the nodes that there are, in the order in which they came."""
        return list(self._nodes.values())

    async def join(self) -> None:
        """Waits for a first node; raises InputError where none comes that can be used."""
        await self._line.open()
        deadline = time.monotonic() + self._patience
        while True:
            with contextlib.suppress(UnreachableError):
                await self._look()
            if self._nodes:
                break
            if time.monotonic() > deadline:
                reasons = "; ".join(self._refused.values()) or "no worker of Dask has joined it"
                raise InputError(f"the cluster at {self._line.address} has no node that can be used: {reasons}")
            await asyncio.sleep(_RETRY)
        self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def leave(self) -> None:
        """Ends all workers, and the connection."""
        if self._looking is not None:
            self._looking.cancel()
        for node in self._nodes.values():
            for task in node.tasks:
                task.cancel()
        with contextlib.suppress(UnreachableError):
            await self._line.call_on(list(self._nodes), station.leave, self._key)
        await self._line.close()

    def want(self, node: Node, inbox: Inbox, wanted: Wanted) -> None:
        """Has a node start a process."""
        node.inboxes[wanted.ticket] = inbox
        if node.is_gone:
            self._end(node, wanted.ticket, _GONE)
            return
        node.wanted[wanted.ticket] = wanted
        node.has_news.set()

    def forget(self, node: Node, ticket: int) -> None:
        """Has a node end a process, if it has not ended yet."""
        node.wanted.pop(ticket, None)
        node.inboxes.pop(ticket, None)
        node.letters = [one for one in node.letters if one[1] != ticket]
        node.has_news.set()

    def write(self, node: Node, ticket: int, cargo: list[Cargo], letter: bytes) -> None:
        """Sends a process a letter, after the arrays that it is about."""
        node.num_sent += 1
        node.cargo += cargo
        node.letters.append((node.num_sent, ticket, letter))
        node.has_news.set()

    def _end(self, node: Node, ticket: int, end: End) -> None:
        inbox = node.inboxes.pop(ticket, None)
        if inbox is not None:
            inbox.end = end
            self._wake()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._look()
            except UnreachableError:
                continue
            except Exception as error:
                self._say(f"the nodes of the cluster cannot be listed: {type(error).__name__}: {one_line(str(error))}")

    async def _look(self) -> None:
        """Finds which nodes have come, and which have gone."""
        there = await self._line.nodes()
        for address in set(self._nodes) - there:
            self._lose(address)
        self._refused = {address: why for address, why in self._refused.items() if address in there}
        new = there - set(self._nodes) - set(self._refused)
        found = await self._line.call_on(list(new), station.prepare, self._key, self._settings) if new else {}
        for address, description in found.items():
            why = description if isinstance(description, str) else self._find_reason_against(description)
            if why is not None:
                self._refused[address] = f"{address}: {why}"
                self._say(f"a node is not used: {self._refused[address]}")
                continue
            devices = description.devices
            self.devices = devices._replace(num_devices=self.devices.num_devices + devices.num_devices)
            node = self._nodes[address] = Node(address, description)
            loop = asyncio.get_running_loop()
            node.tasks = [loop.create_task(self._keep(node, body)) for body in (self._tell, self._listen)]
            self._wake()

    def _find_reason_against(self, description: Description) -> str | None:
        """Says why a node cannot be used, or returns `None`."""
        here, there = versions(), description.versions
        for name in ("python", *NUMERICAL):
            if here.get(name) != there.get(name):
                return f"it has {name} {there.get(name, '(none)')}, and this machine {here.get(name, '(none)')}"
        if description.code != code_digest():
            return "its engine is not the one of this machine: install the same version"
        ours, theirs = self.devices, description.devices
        if ours.platform and (theirs.platform, theirs.kind) != (ours.platform, ours.kind):
            return f"its devices are {theirs.kind or theirs.platform}, and those of this launch are {ours.kind}"
        return None

    def _lose(self, address: str) -> None:
        node = self._nodes.pop(address)
        node.is_gone = True
        for task in node.tasks:
            task.cancel()
        for ticket in list(node.inboxes):
            self._end(node, ticket, _GONE)
        num_left = self.devices.num_devices - node.description.devices.num_devices
        self.devices = self.devices._replace(num_devices=num_left)

    async def _keep(self, node: Node, body: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
        """Talks to a node; loses it where that fails for another reason than its silence."""
        try:
            await body(node)
        except Exception as error:
            self._say(f"a node is given up: {node.address}: {type(error).__name__}: {one_line(str(error))}")
            if self._nodes.get(node.address) is node:
                self._lose(node.address)
                self._refused[node.address] = f"{node.address}: {one_line(str(error))}"

    async def _tell(self, node: Node) -> None:
        """Tells a node what it has to hear, again and again until it has."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(node.has_news.wait(), _LISTEN)
            node.has_news.clear()
            # The letters of now, since more cargo may come while this one is on its way.
            letters = list(node.letters)
            while node.cargo:
                if not await self._bring(node, node.cargo[0]):
                    return
                node.cargo.pop(0)
            wanted = [list(one) for one in node.wanted.values()]
            num_heard = await self._ask(node, station.TELL, wanted=wanted, letters=letters)
            if num_heard is None:
                return
            node.letters = [one for one in node.letters if one[0] > num_heard]

    async def _bring(self, node: Node, cargo: Cargo) -> bool:
        """Brings an array to a node, piece by piece; tells whether it is still there."""
        file = io.BytesIO()
        np.save(file, cargo.array, allow_pickle=False)
        content = file.getbuffer()
        for start in range(0, len(content), _PIECE):
            piece = bytes(content[start : start + _PIECE])
            if await self._ask(node, station.STORE, name=cargo.name, start=start, content=piece) is None:
                return False
        return True

    async def _listen(self, node: Node) -> None:
        """Hears what a node says."""
        while True:
            said = await self._ask(node, station.LISTEN, num_had=node.num_had, seconds=_LISTEN)
            if said is None:
                return
            for number, ticket, what in said:
                if number <= node.num_had:
                    continue
                node.num_had = number
                if not isinstance(what, bytes):
                    self._end(node, ticket, End(f"died with exit code {what}"))
                elif ticket in node.inboxes:
                    node.inboxes[ticket].letters.append(what)
            if said:
                self._wake()

    async def _ask(self, node: Node, op: str, **about: Any) -> Any:
        """Asks a node until it answers; loses it and returns `None` where it does not, or has another station."""
        while True:
            try:
                answer = await self._line.ask(
                    node.address, op, key=self._key, name_of_station=node.description.station, **about
                )
            except UnreachableError:
                answer = None
                if time.monotonic() - node.last_heard < SILENCE:
                    await asyncio.sleep(_RETRY)
                    continue
            if answer is not None:
                node.last_heard = time.monotonic()
            elif self._nodes.get(node.address) is node:
                self._lose(node.address)
            return answer
