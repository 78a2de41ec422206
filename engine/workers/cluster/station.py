"""A node's side: processes on its devices, which a parent elsewhere speaks to through Dask.

The parent says which processes it wants and what they should hear; what they say waits until the parent has it. All of
that is numbered, so what is sent twice is heard once. A station that hears nothing for a while ends its processes.
"""

import asyncio
import contextlib
import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...lanes.versions import versions
from ...store.provenance import code_digest
from ..devices import Devices, environment, find_devices
from ..processes import Worker, serve_worker
from ..serving import ServeSettings

# After so many seconds without its parent a station ends its processes.
LEASE = 60.0
TELL, LISTEN, STORE = "plateau_tell", "plateau_listen", "plateau_store"


class Description(NamedTuple):
    """What a node is: its devices, how many processes may use them, and what their bits depend on."""

    station: str
    host: str
    devices: Devices
    # Names of the devices that are visible to it, of which each host has one of a name.
    visible: tuple[str, ...]
    folder: str
    versions: dict[str, str]
    code: str


class Wanted(NamedTuple):
    """A process that the parent wants: its ticket, its device, and how many share the memory of its host."""

    ticket: int
    device: int
    num_sharing: int


class Station:
    """The processes of one parent on a node. All methods are called on the event loop of the node's Dask worker."""

    def __init__(self, settings: ServeSettings, devices: Devices) -> None:
        self.name = uuid.uuid4().hex
        self.devices, self._settings = devices, settings
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._letters: dict[int, queue.SimpleQueue[bytes | None]] = {}
        self._seen: set[int] = set()
        # What the parent does not have yet: number, ticket, and a message or the exit code of a process that is gone.
        self._said: list[tuple[int, int, bytes | int | None]] = []
        self._num_said = self._num_heard = 0
        self._last_contact = time.monotonic()
        self._watching = self._loop.create_task(self._watch())

    def tell(self, wanted: Iterable[Wanted], letters: Iterable[tuple[int, int, bytes]]) -> int:
        """Starts and ends processes until there are those that are wanted, and passes messages on to them.

        Returns the number of the last message that was heard.
        """
        self._last_contact = time.monotonic()
        by_ticket = {one.ticket: one for one in wanted}
        for ticket in set(self._workers) - set(by_ticket):
            self._end(ticket)
        for ticket in sorted(set(by_ticket) - self._seen):
            self._seen.add(ticket)
            self._start(by_ticket[ticket])
        for number, ticket, letter in letters:
            if number <= self._num_heard:
                continue
            self._num_heard = number
            if ticket in self._letters:
                self._letters[ticket].put(letter)
        return self._num_heard

    async def listen(self, num_had: int, seconds: float) -> list[tuple[int, int, bytes | int | None]]:
        """Returns what was said since the message with a number, which the parent has; waits for some."""
        self._last_contact = time.monotonic()
        with self._lock:
            self._said = [one for one in self._said if one[0] > num_had]
        if not self._said:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        self._last_contact = time.monotonic()
        with self._lock:
            return list(self._said)

    def close(self) -> None:
        """Ends all processes."""
        self._watching.cancel()
        self._end_all()

    def _end_all(self) -> None:
        for ticket in list(self._workers):
            self._end(ticket)

    def _start(self, wanted: Wanted) -> None:
        settings = self._settings._replace(num_sharing=wanted.num_sharing)
        worker = serve_worker(environment(self.devices, wanted.device), settings)
        letters: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._workers[wanted.ticket], self._letters[wanted.ticket] = worker, letters
        for body, others in ((self._read, (wanted.ticket, worker)), (_write, (letters, worker))):
            threading.Thread(target=body, args=others, daemon=True).start()

    def _end(self, ticket: int) -> None:
        worker = self._workers.pop(ticket)
        worker.process.kill()
        self._letters.pop(ticket).put(None)

    def _read(self, ticket: int, worker: Worker) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._say(ticket, worker.connection.recv_bytes())
        worker.process.join()
        self._say(ticket, worker.process.exitcode)

    def _say(self, ticket: int, what: bytes | int | None) -> None:
        with self._lock:
            self._num_said += 1
            self._said.append((self._num_said, ticket, what))
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def _watch(self) -> None:
        try:
            while time.monotonic() - self._last_contact < LEASE:
                await asyncio.sleep(1.0)
            for key in [key for key, station in _STATIONS.items() if station is self]:
                del _STATIONS[key]
        finally:
            # Also where Dask ends this process, which would wait for them.
            self._end_all()


def _write(letters: "queue.SimpleQueue[bytes | None]", worker: Worker) -> None:
    with contextlib.suppress(OSError, ValueError):
        while (letter := letters.get()) is not None:
            worker.connection.send_bytes(letter)


# The stations of this process, by the key of their parent.
_STATIONS: dict[str, Station] = {}


async def prepare(key: str, settings: ServeSettings, dask_worker: Any) -> Description | str:
    """Opens a station for a parent on a node, and returns what the node is, or why it cannot be used."""
    try:
        devices = await asyncio.to_thread(find_devices)
    except InputError as error:
        return str(error)
    # The parent has given up the one before.
    leave(key)
    station = _STATIONS[key] = Station(settings, devices)
    folder = Path(dask_worker.local_directory)

    def store(key: str, name_of_station: str, name: str, start: int, content: bytes) -> int | None:
        return None if _find(key, name_of_station) is None else _write_piece(folder / f"{name}.npy", start, content)

    dask_worker.handlers.update({TELL: _tell, LISTEN: _listen, STORE: store})
    if devices.platform == "cpu":
        # Its threads are the cores that it was given.
        devices = devices._replace(num_devices=dask_worker.state.nthreads)
    visible = _visible_of(station, devices)
    return Description(station.name, socket.gethostname(), devices, visible, str(folder), versions(), code_digest())


def _visible_of(station: Station, devices: Devices) -> tuple[str, ...]:
    """Returns names of the devices that differ between those of a host; cores are nobody else's."""
    if devices.platform == "cpu":
        return tuple(f"{station.name} {i}" for i in range(devices.num_devices))
    names = [environment(devices, i) for i in range(devices.num_devices)]
    alone = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return tuple(next((value for name, value in one.items() if "VISIBLE" in name), alone) for one in names)


def _write_piece(path: Path, start: int, content: bytes) -> int:
    """Writes a piece of an array to a file, which goes when the node does."""
    path.touch()
    with path.open("r+b") as file:
        file.seek(start)
        return file.write(content)


def _tell(key: str, name_of_station: str, wanted: list[Any], letters: list[Any]) -> int | None:
    found = _find(key, name_of_station)
    return None if found is None else found.tell([Wanted(*one) for one in wanted], letters)


async def _listen(key: str, name_of_station: str, num_had: int, seconds: float) -> list[Any] | None:
    found = _find(key, name_of_station)
    return None if found is None else await found.listen(num_had, seconds)


def _find(key: str, name: str) -> Station | None:
    found = _STATIONS.get(key)
    return found if found is not None and found.name == name else None


def leave(key: str) -> None:
    """Closes the station of a parent that is done."""
    station = _STATIONS.pop(key, None)
    if station is not None:
        station.close()
