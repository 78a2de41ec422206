"""The nodes of a cluster, as they come and go, and what is said to them and by them."""

import asyncio
import contextlib
import io
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from ...errors import InputError, one_line
from ...lanes.versions import NUMERICAL, versions
from ...store.provenance import code_digest, describe_differences
from ..devices import Devices
from ..processes import End
from . import station
from .node import Cargo, Inbox, Node, Terms
from .scheduler_line import SchedulerLine, UnreachableError
from .station import Description, Piece, Wanted, in_pieces

# A node that is silent for so many seconds is taken to have left.
SILENCE = 30.0
# So many seconds more a first node has where some are there that have not yet answered.
_PREPARING = 90.0
_LOOK_EVERY = 1.0
_LISTEN = 5.0
_RETRY = 0.25
_TELL_BYTES = 2**22
_GONE = End("was lost with its node", is_of_runs=False)


class Nodes:
    """The nodes of a cluster, as they come and go. All methods but `in_order` and the properties are for the loop.

    Of the first node that can be used the kind of device is taken, if none is given, and nodes with another are not
    used, since bits depend on it; nor are those with other versions or settings of what computes.

    Args:
        line: to the scheduler of the cluster.
        say: called with what a person should know.
        wake: called when something has changed, or was said.
    """

    def __init__(self, line: SchedulerLine, terms: Terms, say: Callable[[str], None], wake: Callable[[], None]) -> None:
        self._line, self._say, self._wake = line, say, wake
        self._key, self._settings, self._kind = terms
        # Of the first node, as a launch by itself.
        self.launch: dict[str, Any] | None = None
        self._nodes: dict[str, Node] = {}
        # How often one has come or gone.
        self.num_changes = 0
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None

    def in_order(self) -> list[Node]:
        """Returns the nodes that there are, in the order in which they came."""
        return list(self._nodes.values())

    @property
    def devices(self) -> Devices:
        """All devices of the nodes."""
        platform, kind = self._kind or ("", "")
        return Devices(platform, sum(node.description.devices.num_devices for node in self.in_order()), kind)

    async def join(self, patience: float) -> None:
        """Waits some seconds for a first node; raises InputError where none comes that can be used."""
        await self._line.open()
        began = time.monotonic()
        while True:
            with contextlib.suppress(UnreachableError):
                await self._look()
            if self._nodes:
                break
            if time.monotonic() - began > patience + _PREPARING * bool(self._preparing):
                silent = [f"{address}: it does not answer" for address in self._preparing]
                reasons = "; ".join([*self._refused.values(), *silent]) or "no worker of Dask has joined it"
                raise InputError(f"the cluster at {self._line.address} has no node that can be used: {reasons}")
            await asyncio.sleep(_RETRY)
        self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def leave(self) -> None:
        """Ends all workers, and the connection."""
        tasks = [task for node in self._nodes.values() for task in node.tasks]
        for task in (*tasks, *self._preparing.values(), *([self._looking] if self._looking else [])):
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
        node.pieces = [one for one in node.pieces if one.ticket != ticket]
        node.has_news.set()

    def write(self, node: Node, ticket: int, cargo: list[Cargo], letter: bytes) -> None:
        """Sends a process a letter, after the arrays that it is about."""
        if cargo:
            node.held.put_nowait((ticket, cargo, letter))
            return
        for content, is_last in in_pieces(letter):
            node.num_sent += 1
            node.pieces.append(Piece(node.num_sent, ticket, content, is_last))
        node.has_news.set()

    def give_up(self, node: Node, reason: str) -> None:
        """Uses a node no more, and says why."""
        if self._nodes.get(node.address) is node:
            self._lose(node.address)
            self._refused[node.address] = f"{node.address}: {reason}"
            self._say(f"a node is given up: {self._refused[node.address]}")

    def _end(self, node: Node, ticket: int, end: End) -> None:
        inbox = node.inboxes.pop(ticket, None)
        if inbox is not None:
            inbox.end = end
            self._wake()

    async def _keep_looking(self) -> None:
        last = ""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._look()
            except UnreachableError:
                continue
            except Exception as error:
                words = f"the nodes of the cluster cannot be listed: {type(error).__name__}: {one_line(str(error))}"
                if words != last:
                    self._say(words)
                last = words

    async def _look(self) -> None:
        """Finds which nodes have come, and which have gone."""
        there = await self._line.nodes()
        for address in set(self._nodes) - there:
            self._lose(address)
        for address in set(self._preparing) - there:
            self._preparing.pop(address).cancel()
        self._refused = {address: why for address, why in self._refused.items() if address in there}
        for address in sorted(there - set(self._nodes) - set(self._refused) - set(self._preparing)):
            # Each by itself: one that does not answer keeps no other out.
            self._preparing[address] = asyncio.get_running_loop().create_task(self._prepare(address))

    async def _prepare(self, address: str) -> None:
        """Opens a station on a node that has come; one that does not answer is asked again at the next look."""
        try:
            asked = (self._key, time.time_ns(), self._settings)
            found = await self._line.call_on([address], station.prepare, *asked)
        except UnreachableError:
            found = {}
        except Exception as error:
            found = {address: f"{type(error).__name__}: {one_line(str(error))}"}
        self._preparing.pop(address, None)
        for description in found.values():
            why = description if isinstance(description, str) else self._find_reason_against(description)
            if why is not None:
                self._refused[address] = f"{address}: {why}"
                self._say(f"a node is not used: {self._refused[address]}")
                continue
            devices = description.devices
            self._kind = self._kind or (devices.platform, devices.kind)
            self.launch = self.launch or description.launch
            node = self._nodes[address] = Node(address, description)
            loop = asyncio.get_running_loop()
            bodies = (self._tell, self._listen, self._carry)
            node.tasks = [loop.create_task(self._keep(node, body)) for body in bodies]
            self.num_changes += 1
            self._wake()

    def _find_reason_against(self, description: Description) -> str | None:
        """Says why a node cannot be used, or returns `None`."""
        here, there = versions(), description.launch["versions"]
        for name in ("python", *NUMERICAL):
            if here.get(name) != there.get(name):
                return f"it has {name} {there.get(name, '(none)')}, and this machine {here.get(name, '(none)')}"
        if description.launch["code"].get("digest") != code_digest():
            return "its engine is not the one of this machine: install the same version"
        devices = description.devices
        if self._kind is not None and (devices.platform, devices.kind) != self._kind:
            return f"its devices are {devices.kind or devices.platform}, and those of this study are {self._kind[1]}"
        if self.launch is not None:
            differences = describe_differences(self.launch, description.launch)
            if differences:
                return f"bits would differ from those of the first node: {differences}"
        return None

    def _lose(self, address: str) -> None:
        node = self._nodes.pop(address)
        self.num_changes += 1
        node.is_gone = True
        for task in node.tasks:
            task.cancel()
        for ticket in list(node.inboxes):
            self._end(node, ticket, _GONE)

    async def _keep(self, node: Node, body: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
        """Talks to a node; loses it where that fails for another reason than its silence."""
        try:
            await body(node)
        except Exception as error:
            self.give_up(node, f"{type(error).__name__}: {one_line(str(error))}")

    async def _tell(self, node: Node) -> None:
        """Tells a node what it has to hear, again and again until it has."""
        while True:
            if not node.pieces:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(node.has_news.wait(), _LISTEN)
            node.has_news.clear()
            some, size = list[list[Any]](), 0
            for piece in node.pieces:
                size += len(piece.content) if isinstance(piece.content, bytes) else 0
                if some and size > _TELL_BYTES:
                    break
                some.append(list(piece))
            node.num_orders += 1
            wanted = [list(one) for one in node.wanted.values()]
            num_heard = await self._ask(node, station.TELL, order=node.num_orders, wanted=wanted, pieces=some)
            if num_heard is None:
                return
            node.pieces = [one for one in node.pieces if one.number > num_heard]

    async def _carry(self, node: Node) -> None:
        """Brings arrays to a node, and then sends the letters that are about them."""
        while True:
            ticket, cargo, letter = await node.held.get()
            for one in cargo:
                if one.name not in node.brought:
                    if not await self._bring(node, one):
                        return
                    node.brought.add(one.name)
            if ticket in node.wanted:
                self.write(node, ticket, [], letter)

    async def _bring(self, node: Node, cargo: Cargo) -> bool:
        """Brings an array to a node, piece by piece; tells whether it is still there."""
        header = io.BytesIO()
        array = np.ascontiguousarray(cargo.array)
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
        start = 0
        for part in (memoryview(header.getvalue()), array.reshape(-1).view(np.uint8).data):
            for at in range(0, len(part), station.PIECE):
                content = bytes(part[at : at + station.PIECE])
                if await self._ask(node, station.STORE, name=cargo.name, start=start, content=content) is None:
                    return False
                start += len(content)
        return True

    async def _listen(self, node: Node) -> None:
        """Hears what a node says."""
        while True:
            said = await self._ask(node, station.LISTEN, num_had=node.num_had, seconds=_LISTEN)
            if said is None:
                return
            for number, ticket, what, is_last in said:
                if number <= node.num_had:
                    continue
                node.num_had = number
                if not isinstance(what, bytes):
                    self._end(node, ticket, End(f"died with exit code {what}"))
                    continue
                letter = node.arriving.add(ticket, what, is_last)
                if letter is not None and ticket in node.inboxes:
                    node.inboxes[ticket].letters.append(letter)
            if said:
                self._wake()

    async def _ask(self, node: Node, op: str, **about: Any) -> Any:
        """Asks a node until it answers; loses it and returns `None` where it does not, or has another station."""
        began = time.monotonic()
        while True:
            try:
                about |= {"key": self._key, "name_of_station": node.description.station}
                answer = await self._line.ask(node.address, op, **about)
            except UnreachableError:
                answer = None
                if time.monotonic() - max(began, node.contact[op]) < SILENCE:
                    await asyncio.sleep(_RETRY)
                    continue
            if answer is not None:
                node.contact[op] = time.monotonic()
            elif self._nodes.get(node.address) is node:
                self._lose(node.address)
            return answer
