"""What passes between a parent and a node arrives once and in order, whatever is lost on the way."""

import asyncio
import functools
import multiprocessing
import os
import pickle
import random
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.errors import InputError
from engine.lanes.host_batches import Spooled
from engine.lanes.spec import PoolSpec
from engine.workers import devices
from engine.workers.cluster import nodes, station
from engine.workers.cluster.crew import ClusterCrew
from engine.workers.cluster.node import Terms
from engine.workers.cluster.scheduler_line import UnreachableError
from engine.workers.devices import Devices
from engine.workers.messages import Assignment, Delivery
from engine.workers.processes import Worker
from engine.workers.serving import ServeSettings

NUM_LETTERS = 60


class EchoProcess:
    """In place of a process: says back what it hears, until it is killed."""

    exitcode = -9

    def __init__(self) -> None:
        self.is_killed = False
        self.ours, self._theirs = multiprocessing.Pipe()
        threading.Thread(target=self._echo, daemon=True).start()

    def _echo(self) -> None:
        try:
            while True:
                heard = self._theirs.recv()
                if heard == "die":
                    self._theirs.close()
                    return
                self._theirs.send(heard)
        except (EOFError, OSError):
            return

    def kill(self) -> None:
        self.is_killed = True
        self._theirs.close()

    def join(self) -> None:
        return


class LossyLine:
    """In place of a scheduler: one node or several in this process, and answers that are lost before or after."""

    address = "tcp://made.up"

    def __init__(self, folder: Path, loss: float = 0.0, num_nodes: int = 1, host: str | None = None) -> None:
        self.there = {f"tcp://node{i}" for i in range(num_nodes)}
        self.is_cut = False
        self.loss, self._chance, self._folder, self._host = loss, random.Random(0), folder, host
        self._handlers: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def nodes(self) -> set[str]:
        self._fail_at_times()
        return set(self.there)

    async def ask(self, address: str, op: str, key: str, **about: Any) -> Any:
        self._fail_at_times()
        answer = self._handlers[address][op](key=key + address, **about)
        answer = await answer if hasattr(answer, "__await__") else answer
        self._fail_at_times()
        return answer

    async def call_on(self, addresses: list[str], function: Any, key: str, *args: Any) -> dict[str, Any]:
        self._fail_at_times()
        if function is station.leave:
            return {address: station.leave(key + address) for address in addresses if address in self._handlers}
        found = {}
        for address in addresses:
            handlers = self._handlers[address] = {}
            state = SimpleNamespace(nthreads=2)
            about = SimpleNamespace(handlers=handlers, state=state, local_directory=str(self._folder))
            found[address] = (await function(key + address, *args, about))._replace(host=self._host or address)
        return found

    def _fail_at_times(self) -> None:
        if self.is_cut or self._chance.random() < self.loss:
            raise UnreachableError("lost")


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> list[EchoProcess]:
    """Those that were started."""
    started: list[EchoProcess] = []

    def serve_worker(*_: Any) -> Worker:
        started.append(EchoProcess())
        return Worker(started[-1], started[-1].ours)

    monkeypatch.setattr(station, "serve_worker", serve_worker)
    monkeypatch.setattr(nodes, "_RETRY", 0.001)
    monkeypatch.setattr(nodes, "_LISTEN", 0.2)
    monkeypatch.setattr(nodes, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(
        station, "current_launch", functools.partial(_launch, devices.current_launch(Devices("cpu", 2)))
    )
    return started


def _launch(known: dict[str, Any], *_: Any) -> dict[str, Any]:
    """In place of a launch by itself, which takes a while to describe."""
    return known


@pytest.fixture
def idle() -> Iterator[int]:
    """An end of a pipe with nothing to read."""
    ends = os.pipe()
    yield ends[0]
    for end in ends:
        os.close(end)


def _crew(line: LossyLine, said: list[str] | None = None, patience: float = 30.0, key: str = "") -> ClusterCrew:
    key = key or uuid.uuid4().hex
    notify = (said if said is not None else []).append
    return ClusterCrew(line, Terms(key, ServeSettings(None), None), notify, patience)  # type: ignore[arg-type]


def _hear(crew: ClusterCrew, idle: int, number: int) -> dict[int, list[Any]]:
    heard: dict[int, list[Any]] = {index: [] for index in crew.members}
    deadline = time.monotonic() + 30.0
    while sum(map(len, heard.values())) < number and time.monotonic() < deadline:
        for index in crew.wait(idle, 0.1):
            heard[index].append(crew.members[index].connection.recv())
    return heard


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_every_message_is_heard_once_and_in_order(loss, tmp_path, idle):
    with _crew(LossyLine(tmp_path, loss)) as crew:
        crew.ensure()
        assert sorted(crew.members) == [1, 2]
        for i in range(NUM_LETTERS):
            for index, member in crew.members.items():
                member.connection.send((index, i))
        heard = _hear(crew, idle, 2 * NUM_LETTERS)
        assert heard == {index: [(index, i) for i in range(NUM_LETTERS)] for index in (1, 2)}


def test_a_process_that_dies_is_told_from_a_node_that_leaves(tmp_path, idle):
    line = LossyLine(tmp_path)
    with _crew(line) as crew:
        crew.ensure()
        crew.members[1].connection.send("die")
        assert _wait_for_ends(crew, idle, 1) == {1: ("died with exit code -9", True)}
        crew.ensure()
        assert sorted(crew.members) == [2, 3]
        line.there.clear()
        gone = ("was lost with its node", False)
        assert _wait_for_ends(crew, idle, 2) == {2: gone, 3: gone}


def _wait_for_ends(crew: ClusterCrew, idle: int, number: int) -> dict[int, tuple[str, bool]]:
    ends: dict[int, tuple[str, bool]] = {}
    deadline = time.monotonic() + 30.0
    while len(ends) < number and time.monotonic() < deadline:
        for index in crew.wait(idle, 0.1):
            with pytest.raises(EOFError):
                crew.members[index].connection.recv()
            ends[index] = tuple(crew.retire(index))
    return ends


def test_a_node_that_comes_later_is_used_and_one_that_leaves_is_missed_once(tmp_path, idle):
    line, said = LossyLine(tmp_path), list[str]()
    with _crew(line, said) as crew:
        crew.ensure()
        line.there = {"tcp://other"}
        assert len(_wait_for_ends(crew, idle, 2)) == 2
        deadline = time.monotonic() + 30.0
        while not crew.members and time.monotonic() < deadline:
            crew.wait(idle, 0.05)
            crew.ensure()
        assert {member.node.address for member in crew.members.values()} == {"tcp://other"}
    assert [line for line in said if "no node" in line] in (
        [],
        ["no node of the cluster is left: waiting for others to join"],
    )


def test_a_node_that_is_silent_for_long_has_left(tmp_path, idle, monkeypatch):
    monkeypatch.setattr(nodes, "SILENCE", 0.3)
    line = LossyLine(tmp_path)
    with _crew(line) as crew:
        crew.ensure()
        line.is_cut = True
        assert set(_wait_for_ends(crew, idle, 2).values()) == {("was lost with its node", False)}
        line.is_cut = False
        deadline = time.monotonic() + 30.0
        while not crew.members and time.monotonic() < deadline:
            crew.wait(idle, 0.05)
            crew.ensure()
        crew.members[3].connection.send("again")
        assert _hear(crew, idle, 1)[3] == ["again"]


def test_a_node_that_answers_what_it_should_not_is_given_up_in_one_line(tmp_path, idle, monkeypatch):
    line, said = LossyLine(tmp_path), list[str]()
    ask = line.ask

    async def odd(address: str, op: str, **about: Any) -> Any:
        return [("no", "number")] if op == station.LISTEN else await ask(address, op, **about)

    with _crew(line, said) as crew:
        crew.ensure()
        monkeypatch.setattr(line, "ask", odd)
        assert set(_wait_for_ends(crew, idle, 2).values()) == {("was lost with its node", False)}
        crew.wait(idle, 0.1)
    assert [words for words in said if words.startswith("a node is given up: tcp://node0: ")]


def test_a_station_without_its_parent_ends_its_processes(tmp_path, idle, processes, monkeypatch):
    monkeypatch.setattr(station, "LEASE", 0.2)
    line = LossyLine(tmp_path)
    with _crew(line) as crew:
        crew.ensure()
        crew.members[1].connection.send("there")
        _hear(crew, idle, 1)
        line.is_cut = True
        deadline = time.monotonic() + 30.0
        while not all(one.is_killed for one in processes) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [one.is_killed for one in processes] == [True, True]


def test_a_device_that_two_nodes_of_a_host_see_has_one_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(station, "_visible_of", lambda *_: ("0", "1"))
    for host, number in (("one", 2), (None, 4)):
        with _crew(LossyLine(tmp_path, num_nodes=2, host=host)) as crew:
            deadline = time.monotonic() + 30.0
            while crew.devices.num_devices < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert crew.num_workers == number


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": {"digest": "another"}}, "its engine is not the one of this machine"),
        ({"versions": {"python": "3.0"}}, "it has python 3.0, and this machine 3."),
        ("it lacks a package: No module named 'engine'", "lacks a package"),
    ],
)
def test_a_node_that_would_make_other_bits_is_refused_in_one_line(change, words, tmp_path, monkeypatch):
    line = LossyLine(tmp_path)
    call_on = line.call_on

    async def changed(addresses: list[str], function: Any, *args: Any) -> dict[str, Any]:
        found = await call_on(addresses, function, *args)
        if function is station.leave:
            return found
        return {a: change if isinstance(change, str) else _changed(one, change) for a, one in found.items()}

    monkeypatch.setattr(line, "call_on", changed)
    with (
        pytest.raises(InputError, match="has no node that can be used: tcp://node0: ") as raised,
        _crew(line, patience=0.0),
    ):
        pass
    assert words in str(raised.value)


def _changed(description: station.Description, change: dict[str, Any]) -> station.Description:
    return description._replace(launch={**description.launch, **change})


def _with_flag(description: station.Description) -> station.Description:
    flags = {**description.launch["xla_flags"], "xla_cpu_enable_fast_math": "true"}
    return _changed(description, {"xla_flags": flags})


def test_a_node_with_other_settings_than_the_first_is_refused(tmp_path, idle, monkeypatch):
    line, said = LossyLine(tmp_path), list[str]()
    call_on = line.call_on

    async def changed(addresses: list[str], function: Any, *args: Any) -> dict[str, Any]:
        found = await call_on(addresses, function, *args)
        if function is not station.prepare or addresses == ["tcp://node0"]:
            return found
        return {a: _with_flag(one) for a, one in found.items()}

    monkeypatch.setattr(line, "call_on", changed)
    with _crew(line, said) as crew:
        line.there.add("tcp://node1")
        deadline = time.monotonic() + 30.0
        while not said and time.monotonic() < deadline:
            crew.wait(idle, 0.05)
        assert crew.num_workers == 2
    assert said == [
        "a node is not used: tcp://node1: bits would differ from those of the first node: --xla_cpu_enable_fast_math "
        "none → true"
    ]


def test_what_comes_late_is_not_heard(tmp_path, processes):
    """An order that a network has held back ends no process that is wanted by now."""

    async def play() -> list[bool]:
        own = station.Station("a", ServeSettings(None), Devices("cpu", 2), tmp_path)
        wanted = [station.Wanted(1, 0, 2), station.Wanted(2, 1, 2)]
        own.tell(2, wanted, [])
        own.tell(1, wanted[:1], [])
        return [one.is_killed for one in processes]

    assert asyncio.run(play()) == [False, False]


def test_a_launch_takes_the_place_of_the_one_before_it(tmp_path, idle, processes):
    """One that was killed has no lease of a minute on the devices of the one that goes on."""
    line = LossyLine(tmp_path)
    with _crew(line, key="study") as crew:
        crew.ensure()
        crew.members[1].connection.send("there")
        _hear(crew, idle, 1)
        with _crew(line, key="study") as after:
            assert [one.is_killed for one in processes[:2]] == [True, True]
            after.ensure()
            after.members[1].connection.send("again")
            assert _hear(after, idle, 1)[1] == ["again"]


def test_a_node_on_which_workers_end_one_after_another_is_given_up_and_blames_no_run(tmp_path, idle):
    line, said = LossyLine(tmp_path, num_nodes=2), list[str]()
    with _crew(line, said) as crew:
        deadline = time.monotonic() + 30.0
        while len(crew.members) < 4 and time.monotonic() < deadline:
            crew.wait(idle, 0.05)
            crew.ensure()
        good = [i for i, member in crew.members.items() if member.node.address == "tcp://node0"]
        bad = [i for i, member in crew.members.items() if member.node.address == "tcp://node1"]
        for index in bad:
            crew.members[index].connection.send("die")
        assert {is_of_runs for _, is_of_runs in _wait_for_ends(crew, idle, 2).values()} == {True}
        crew.ensure()
        crew.members[good[0]].connection.send(Delivery(11, []))
        _hear(crew, idle, 1)
        bad = [i for i, member in crew.members.items() if member.node.address == "tcp://node1"]
        crew.members[bad[0]].connection.send("die")
        assert _wait_for_ends(crew, idle, 1).popitem()[1] == ("died with exit code -9", False)
        deadline = time.monotonic() + 30.0
        while not said and time.monotonic() < deadline:
            crew.wait(idle, 0.05)
    assert said[0].startswith("a node is given up: tcp://node1: 3 workers ended there, one after another")


def test_large_letters_travel_in_pieces(tmp_path, idle, monkeypatch):
    monkeypatch.setattr(station, "PIECE", 1000)
    monkeypatch.setattr(station, "_ANSWER_BYTES", 3000)
    monkeypatch.setattr(nodes, "_TELL_BYTES", 3000)
    with _crew(LossyLine(tmp_path, 0.2)) as crew:
        crew.ensure()
        letters = {index: [bytes([i]) * size for i, size in enumerate((0, 999, 20_000, 3))] for index in crew.members}
        for i in range(4):
            for index, member in crew.members.items():
                member.connection.send(letters[index][i])
        assert _hear(crew, idle, 8) == letters


def test_arrays_travel_once_and_arrive_as_they_are(tmp_path, idle, monkeypatch):
    monkeypatch.setattr(station, "PIECE", 10_000)
    large, small = np.random.default_rng(0).normal(size=(300, 40)), np.arange(3)
    np.save(tmp_path / "spooled.npy", large + 1)
    data = {"large": large, "small": small, "spooled": Spooled(str(tmp_path / "spooled.npy"))}
    spec = PoolSpec(None, data, *(None,) * 6)  # type: ignore[arg-type]
    folder = tmp_path / "node"
    folder.mkdir()
    line = LossyLine(folder, 0.2)
    with _crew(line) as crew:
        crew.ensure()
        sizes = []
        for member in crew.members.values():
            member.connection.send(Assignment(0, spec, [], {}))
        for [assignment] in _hear(crew, idle, 2).values():
            arrived = assignment.spec.data
            np.testing.assert_array_equal(arrived["large"].open(), large)
            np.testing.assert_array_equal(arrived["spooled"].open(), large + 1)
            np.testing.assert_array_equal(arrived["small"], small)
            sizes.append(len(pickle.dumps(assignment)))
        assert max(sizes) < 2000
        assert len(list(folder.iterdir())) == 2
        # Else a farewell that is lost leaves them until the lease ends.
        line.loss = 0.0
    assert list(folder.iterdir()) == []
