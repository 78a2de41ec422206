"""A node's side: processes on its devices, which a parent elsewhere speaks to through Dask.

The parent says which processes it wants and what they should hear; what they say waits until the parent has it. All of
that is numbered, so what is sent twice is heard once, and what comes late is not heard at all. A station that hears
nothing for a while ends its processes.
"""

import asyncio
import contextlib
import multiprocessing
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ..devices import Devices, current_launch, environment, find_devices
from ..processes import Worker, serve_worker
from ..serving import ServeSettings

# After so many seconds without its parent a station ends its processes.
LEASE = 60.0
TELL, LISTEN, STORE = "plateau_tell", "plateau_listen", "plateau_store"
# Bytes of one piece of a letter or an array, and of the pieces of one answer: a slow line must get them across.
PIECE, _ANSWER_BYTES = 2**21, 2**22


class Description(NamedTuple):
    """What a node is: its devices, how many processes may use them, and the launch that it would be by itself."""

    station: str
    host: str
    devices: Devices
    # Names of the devices that are visible to it, of which each host has one of a name.
    visible: tuple[str, ...]
    folder: str
    launch: dict[str, Any]


class Wanted(NamedTuple):
    """A process that the parent wants: its ticket, its device, and how many share the memory of its host."""

    ticket: int
    device: int
    num_sharing: int


class Piece(NamedTuple):
    """A piece of a letter to or from a process: its number, the ticket of the process, and whether it is the last.

    In place of bytes it may be the exit code of a process that is gone.
    """

    number: int
    ticket: int
    content: bytes | int | None
    is_last: bool


def in_pieces(letter: bytes) -> list[tuple[bytes, bool]]:
    """Divides a letter; each piece comes with whether it is the last."""
    starts = range(0, max(len(letter), 1), PIECE)
    return [(letter[start : start + PIECE], start == starts[-1]) for start in starts]


class Assembly:
    """Puts the pieces of letters together, by ticket."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}

    def add(self, ticket: int, content: bytes, is_last: bool) -> bytes | None:
        """Takes a piece; returns the letter once it is whole."""
        parts = self._parts.setdefault(ticket, [])
        parts.append(content)
        return b"".join(self._parts.pop(ticket)) if is_last else None


class Station:
    """The processes of one parent on a node. All methods are called on the event loop of the node's Dask worker."""

    def __init__(self, name: str, settings: ServeSettings, devices: Devices, folder: Path) -> None:
        self.name, self.devices, self._settings, self._folder = name, devices, settings, folder
        self.stored: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._letters: dict[int, queue.SimpleQueue[bytes | None]] = {}
        self._seen: set[int] = set()
        self._arriving = Assembly()
        # What the parent does not have yet.
        self._said: list[Piece] = []
        self._num_said = self._num_heard = self._last_order = 0
        self._last_contact = time.monotonic()
        self._watching = self._loop.create_task(self._watch())

    def tell(self, order: int, wanted: Iterable[Wanted], pieces: Iterable[Piece]) -> int:
        """Starts and ends processes until there are those that are wanted, and passes letters on to them.

        An order that is older than another has no effect. Returns the number of the last piece that was heard.
        """
        self._last_contact = time.monotonic()
        if order > self._last_order:
            self._last_order = order
            by_ticket = {one.ticket: one for one in wanted}
            for ticket in set(self._workers) - set(by_ticket):
                self._end(ticket)
            for ticket in sorted(set(by_ticket) - self._seen):
                self._seen.add(ticket)
                self._start(by_ticket[ticket])
        for number, ticket, content, is_last in pieces:
            if number <= self._num_heard or not isinstance(content, bytes):
                continue
            self._num_heard = number
            letter = self._arriving.add(ticket, content, is_last)
            if letter is not None and ticket in self._letters:
                self._letters[ticket].put(letter)
        return self._num_heard

    async def listen(self, num_had: int, seconds: float) -> list[Piece]:
        """Returns what was said since the piece with a number, which the parent has; waits for some."""
        self._last_contact = time.monotonic()
        with self._lock:
            self._said = [one for one in self._said if one.number > num_had]
        if not self._said:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        self._last_contact = time.monotonic()
        found, size = list[Piece](), 0
        with self._lock:
            for one in self._said:
                size += len(one.content) if isinstance(one.content, bytes) else 0
                if found and size > _ANSWER_BYTES:
                    break
                found.append(one)
        return found

    def store(self, name: str, start: int, content: bytes) -> int:
        """Writes a piece of an array to a file, which goes when the station does."""
        self._last_contact = time.monotonic()
        self.stored.add(name)
        path = self._folder / name
        path.touch()
        with path.open("r+b") as file:
            file.seek(start)
            return file.write(content)

    def close(self) -> None:
        """Ends all processes, and removes the arrays that no other station of this process has."""
        self._watching.cancel()
        self._end_all()
        others = {name for station in _STATIONS.values() if station is not self for name in station.stored}
        for name in self.stored - others:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()

    def _start(self, wanted: Wanted) -> None:
        # Dask forbids its own processes to have any.
        multiprocessing.current_process().daemon = False
        settings = self._settings._replace(num_sharing=wanted.num_sharing)
        worker = serve_worker(environment(self.devices, wanted.device), settings)
        letters: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._workers[wanted.ticket], self._letters[wanted.ticket] = worker, letters
        for body, others in ((self._read, (wanted.ticket, worker)), (_write, (letters, worker))):
            threading.Thread(target=body, args=others, daemon=True).start()

    def _end(self, ticket: int) -> None:
        """Ends a process that nobody wants any more, or that has ended; what it still says is not kept."""
        worker = self._workers.pop(ticket)
        worker.process.kill()
        self._letters.pop(ticket).put(None)
        with self._lock:
            self._said = [one for one in self._said if one.ticket != ticket]

    def _end_all(self) -> None:
        for ticket in list(self._workers):
            self._end(ticket)

    def _read(self, ticket: int, worker: Worker) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                for content, is_last in in_pieces(worker.connection.recv_bytes()):
                    self._say(ticket, content, is_last)
        worker.process.join()
        self._say(ticket, worker.process.exitcode, True)

    def _say(self, ticket: int, what: bytes | int | None, is_last: bool) -> None:
        with self._lock:
            if ticket not in self._workers:
                return
            self._num_said += 1
            self._said.append(Piece(self._num_said, ticket, what, is_last))
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def _watch(self) -> None:
        try:
            while time.monotonic() - self._last_contact < LEASE:
                await asyncio.sleep(1.0)
            for key in [key for key, station in _STATIONS.items() if station is self]:
                del _STATIONS[key]
            self.close()
        finally:
            # Also where Dask ends this process, which would wait for them.
            self._end_all()


def _write(letters: "queue.SimpleQueue[bytes | None]", worker: Worker) -> None:
    with contextlib.suppress(OSError, ValueError):
        while (letter := letters.get()) is not None:
            worker.connection.send_bytes(letter)


# The stations of this process, by the key of their parent, and the last attempt of each to have one.
_STATIONS: dict[str, Station] = {}
_ATTEMPTS: dict[str, int] = {}


async def prepare(key: str, attempt: int, settings: ServeSettings, dask_worker: Any) -> Description | str:
    """Opens a station for a parent on a node, and returns what the node is, or why it cannot be used.

    A station of the same key is closed: its parent has given it up, or was the launch before. An attempt that is older
    than another comes too late.
    """
    try:
        devices = await asyncio.to_thread(find_devices)
        if devices.platform == "cpu":
            # Its threads are the cores that it was given.
            devices = devices._replace(num_devices=dask_worker.state.nthreads)
        launch = await asyncio.to_thread(current_launch, devices)
    except InputError as error:
        return str(error)
    if attempt <= _ATTEMPTS.get(key, 0):
        return "it was asked again since"
    leave(key)
    _ATTEMPTS[key] = attempt
    folder = Path(dask_worker.local_directory)
    station = _STATIONS[key] = Station(f"{socket.gethostname()} {os.getpid()} {attempt}", settings, devices, folder)
    dask_worker.handlers.update({TELL: _tell, LISTEN: _listen, STORE: _store})
    visible = await asyncio.to_thread(_visible_of, station.name, devices)
    return Description(station.name, socket.gethostname(), devices, visible, str(folder), launch)


def _visible_of(station: str, devices: Devices) -> tuple[str, ...]:
    """Returns names of the devices that differ between those of a host; cores are nobody else's."""
    if devices.platform == "cpu":
        return tuple(f"{station} {i}" for i in range(devices.num_devices))
    names = [environment(devices, i) for i in range(devices.num_devices)]
    alone = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    found = [next((value for name, value in one.items() if "VISIBLE" in name), alone) for one in names]
    # A job that is granted one device calls it 0, as the next job on the host does.
    of_index = _uuids()
    return tuple(of_index.get(name, name) for name in found)


def _uuids() -> dict[str, str]:
    """Returns the names of NVIDIA's devices that do not depend on who looks, by index; none where that is not known."""
    words = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        lines = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition(",") for line in lines)
    return {index.strip(): uuid.strip() for index, _, uuid in pairs}


def _tell(key: str, name_of_station: str, order: int, wanted: list[Any], pieces: list[Any]) -> int | None:
    found = _find(key, name_of_station)
    return (
        None if found is None else found.tell(order, [Wanted(*one) for one in wanted], [Piece(*one) for one in pieces])
    )


async def _listen(key: str, name_of_station: str, num_had: int, seconds: float) -> list[Any] | None:
    found = _find(key, name_of_station)
    return None if found is None else [list(one) for one in await found.listen(num_had, seconds)]


def _store(key: str, name_of_station: str, name: str, start: int, content: bytes) -> int | None:
    found = _find(key, name_of_station)
    return None if found is None else found.store(name, start, content)


def _find(key: str, name: str) -> Station | None:
    found = _STATIONS.get(key)
    return found if found is not None and found.name == name else None


def leave(key: str) -> None:
    """Closes the station of a parent that is done."""
    station = _STATIONS.pop(key, None)
    if station is not None:
        station.close()
