"""What a study on a cluster loses when nodes, the scheduler or the parent are killed, or a network is cut.

`python -m benchmarks.cluster` does everything, about an hour on two cores; `--kinds=nodes --number=20` some of it. A
Dask scheduler and two nodes are processes of their own. Studies are run on them one after another, something is ended
every few seconds, and every study must come out with the rows of one that was run on this machine. `overhead` compares
the time of a study on a cluster of two nodes here with that of two workers, in turns; nothing else should run beside
it. With `--queue=queue.toml` jobs of Slurm are the nodes, and `--kinds=jobs` cancels them. The exit code is 1 where a
study was wrong.
"""

import contextlib
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from absl import app, flags, logging

from engine import store

_NUMBERS = {"jobs": 30, "nodes": 200, "schedulers": 20, "parents": 20, "cuts": 50, "overhead": 5}
_KINDS = flags.DEFINE_list("kinds", list(_NUMBERS)[1:], "what to end")
_NUMBER = flags.DEFINE_integer("number", 0, "how often (default: as the table says)")
_QUEUE = flags.DEFINE_string("queue", None, "file of options of a Slurm queue, of whose jobs some are cancelled then")
_SEED = flags.DEFINE_integer("seed", 0, "of the random moments")
_EVERY = flags.DEFINE_float("every", 6.0, "seconds from one to the next, on average")

_ROOT = Path(__file__).parent.parent
_STUDY = [
    *("--experiment=single", "--model=mlp", "--dataset=digits", "--horizon=4400", "--eval_every=11", "--seeds=24"),
    *("--sweep=learning_rate=1e-4,1e-3", "--checkpoint_every=1", "--width=2", "--quiet"),
]
_NUM_NODES = 2
_NODE = "--nthreads=1 --memory-limit=0 --host=127.0.0.1 --no-dashboard"
_LONGEST_CUT = 45.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Cut:
    """A proxy in front of the scheduler, which can stop to pass bytes on."""

    def __init__(self, target: int) -> None:
        self._target, self.is_cut = target, False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            ours, _ = self._listening.accept()
            try:
                theirs = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                ours.close()
                continue
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                while self.is_cut:
                    time.sleep(0.05)
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.close()


class _Cluster:
    """A scheduler and nodes, each in a process group of its own, which come back when they are ended."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, _free_port()
        self.scheduler = self._start("scheduler", f"--host=127.0.0.1 --port={self.port} --no-dashboard")
        self.cut = _Cut(self.port)
        self.nodes: dict[int, subprocess.Popen[bytes]] = {}
        self._is_closing = False
        self._keeping = threading.Thread(target=self._keep, daemon=True)
        self._keeping.start()

    def _start(self, what: str, options: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "dask", what, *options.split()]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        with open(self._folder / f"{what}.log", "ab") as log:
            return subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=_ROOT)

    def _keep(self) -> None:
        while not self._is_closing:
            if self.scheduler.poll() is not None:
                self.scheduler = self._start("scheduler", f"--host=127.0.0.1 --port={self.port} --no-dashboard")
            for i in range(_NUM_NODES):
                if i not in self.nodes or self.nodes[i].poll() is not None:
                    options = f"{_NODE} --local-directory={self._folder}"
                    # Of every other node the connections pass through the proxy.
                    port = self.cut.port if i % 2 else self.port
                    self.nodes[i] = self._start("worker", f"tcp://127.0.0.1:{port} {options}")
            time.sleep(0.2)

    def close(self) -> None:
        self._is_closing = True
        self._keeping.join()
        for process in (*self.nodes.values(), self.scheduler):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _cluster(folder: Path) -> Iterator[_Cluster]:
    cluster = _Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()


def _launch(workdir: Path, cache: Path, log: Path, *more: str) -> subprocess.Popen[bytes]:
    # What is given last counts.
    words = [sys.executable, "launch.py", "run", *_STUDY, f"--workdir={workdir}", f"--compilation_cache={cache}", *more]
    with open(log, "ab") as sink:
        return subprocess.Popen(words, cwd=_ROOT, stdout=sink, stderr=sink, start_new_session=True)


def _rows(workdir: Path) -> list[dict[str, object]]:
    rows = store.open_existing(workdir).read().to_pylist()
    return sorted(rows, key=lambda row: (row["arm"], row["seed"]))


def _strike(kind: str, cluster: _Cluster, parent: subprocess.Popen[bytes], chance: random.Random) -> None:
    if kind == "nodes":
        _end(cluster.nodes[chance.randrange(_NUM_NODES)])
    elif kind == "schedulers":
        _end(cluster.scheduler)
    elif kind == "parents":
        _end(parent)
    elif kind == "jobs":
        jobs = subprocess.run(["squeue", "-h", "-o", "%A"], capture_output=True, text=True, check=True).stdout.split()
        if jobs:
            subprocess.run(["scancel", chance.choice(jobs)], check=True)
    else:
        cluster.cut.is_cut = True
        time.sleep(chance.uniform(0.5, _LONGEST_CUT) if chance.random() < 0.5 else chance.uniform(0.5, 5.0))
        cluster.cut.is_cut = False


def _play(kind: str, number: int, folder: Path, reference: list[dict[str, object]], chance: random.Random) -> int:
    """Runs studies until something was ended so often; returns the number of studies that came out wrong."""
    cache, num_struck, num_studies, num_launches, num_wrong = folder / "cache", 0, 0, 0, 0
    started = time.monotonic()
    of_queue = ["--cluster=slurm", f"--cluster_options={_QUEUE.value}", "--seeds=100"]
    with _cluster(folder) as cluster:
        more = of_queue if kind == "jobs" else [f"--cluster=tcp://127.0.0.1:{cluster.port}"]
        while num_struck < number:
            num_studies += 1
            workdir, log = folder / f"{kind}{num_studies}", folder / f"{kind}{num_studies}.log"
            while True:
                num_launches += 1
                parent = _launch(workdir, cache, log, *more)
                was_struck = False
                while parent.poll() is None:
                    time.sleep(0.1)
                    if num_struck < number and chance.random() < 0.1 / _EVERY.value:
                        _strike(kind, cluster, parent, chance)
                        num_struck += 1
                        was_struck = True
                if parent.returncode == 0 or not was_struck:
                    break
            is_right = parent.returncode == 0 and _rows(workdir) == reference
            num_wrong += not is_right
            if not is_right:
                print(f"  {workdir.name}: exit code {parent.returncode}; {log.read_text()[-600:]}", flush=True)
    seconds = time.monotonic() - started
    print(f"| {kind} | {num_struck} | {num_studies} | {num_launches} | {num_wrong} | {seconds:,.0f} |", flush=True)
    return num_wrong


def _compare(number: int, folder: Path) -> None:
    """Prints the seconds of a study with two workers here, and on two nodes, in turns."""
    ways = {"two workers": "--workers=2", "two nodes": "--cluster=local:2"}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(number + 1):
        for way, flag in ways.items():
            workdir, log = folder / f"{way} {i}", folder / f"{way} {i}.log"
            if _launch(workdir, folder / "cache", log, "--horizon=11000", "--checkpoint_every=60", flag).wait() != 0:
                raise SystemExit(log.read_text())
            # The first fills the cache of compiled programs.
            if i:
                seconds[way].append(store.open_existing(workdir).document["launches"][-1]["seconds"])
    here, there = (statistics.median(found) for found in seconds.values())
    for way, found in seconds.items():
        print(f"| {way} | {statistics.median(found):.1f} ({min(found):.1f}–{max(found):.1f}) s |")
    print(f"| over | {100 * (there / here - 1):+.1f} % |", flush=True)


def _main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    chance, num_wrong = random.Random(_SEED.value), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = ["--seeds=100"] if _KINDS.value == ["jobs"] else []
        parent = _launch(folder / "here", folder / "cache", folder / "here.log", *seeds)
        if parent.wait() != 0:
            raise SystemExit((folder / "here.log").read_text())
        reference = _rows(folder / "here")
        if "overhead" in _KINDS.value:
            _compare(_NUMBER.value or _NUMBERS["overhead"], folder)
        kinds = [kind for kind in _KINDS.value if kind != "overhead"]
        if kinds:
            print("| what was ended | times | studies | launches | studies that were wrong | seconds |")
            print("|---|---|---|---|---|---|", flush=True)
        for kind in kinds:
            num_wrong += _play(kind, _NUMBER.value or _NUMBERS[kind], folder, reference, chance)
    sys.exit(num_wrong > 0)


if __name__ == "__main__":
    app.run(_main)
