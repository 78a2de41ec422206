"""A study on a cluster has the rows of one on this machine, whatever happens to its nodes."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.commands.run import run
from engine.commands.running.options import RunOptions
from engine.errors import InputError
from engine.workers.cluster.scheduler_line import SchedulerLine
from engine.workers.scheduler import Scheduler
from tests.conftest import read_all, small_arm, small_study


def _rows(path: Path) -> list[dict[str, Any]]:
    return sorted(read_all(path), key=lambda row: (row["arm"], row["seed"]))


def _options(data_dir: str, cache_dir: str) -> dict[str, Any]:
    return {"data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True, "has_report": False, "width": 2}


@pytest.mark.long
def test_a_cluster_makes_the_bits_of_this_machine(tmp_path, data_dir, cache_dir):
    study = small_study(arms={"a": small_arm(), "b": small_arm(batch_norm=True)}, baseline="a", seeds=5)
    run(study, tmp_path / "here", num_workers=0, **_options(data_dir, cache_dir))
    run(study, tmp_path / "there", cluster="local:2", **_options(data_dir, cache_dir))
    assert len(_rows(tmp_path / "here")) == 10
    assert _rows(tmp_path / "there") == _rows(tmp_path / "here")


@pytest.mark.long
def test_a_client_of_dask_stands_for_its_cluster(tmp_path, data_dir, cache_dir):
    from distributed import Client, LocalCluster

    study = small_study(seeds=2)
    run(study, tmp_path / "here", num_workers=0, **_options(data_dir, cache_dir))
    with LocalCluster(1, threads_per_worker=2, dashboard_address=None) as cluster, Client(cluster) as client:
        run(study, tmp_path / "there", cluster=client, **_options(data_dir, cache_dir))
        # It is the user's, and goes on.
        assert client.submit(sum, [1, 2]).result() == 3
    assert _rows(tmp_path / "there") == _rows(tmp_path / "here")


@pytest.mark.long
def test_a_node_that_is_killed_loses_no_run_and_blames_none(tmp_path, data_dir, cache_dir, capfd, monkeypatch):
    study = small_study(seeds=4, horizon=220)
    run(study, tmp_path / "calm", num_workers=0, **_options(data_dir, cache_dir))
    deliver, struck, blamed = Scheduler.deliver, list[int](), list[bool]()
    lose = Scheduler.lose

    def deliver_and_strike(scheduler, worker, delivery):
        deliver(scheduler, worker, delivery)
        if not struck:
            struck.append(_kill_a_node())

    def lose_and_note(scheduler, worker, is_of_runs=True):
        blamed.append(is_of_runs)
        return lose(scheduler, worker, is_of_runs)

    monkeypatch.setattr(Scheduler, "deliver", deliver_and_strike)
    monkeypatch.setattr(Scheduler, "lose", lose_and_note)
    run(study, tmp_path / "hit", cluster="local:1", **_options(data_dir, cache_dir))
    assert struck
    assert blamed == [False]
    assert "a worker was lost with its node" in capfd.readouterr().err
    assert _rows(tmp_path / "hit") == _rows(tmp_path / "calm")


def _kill_a_node() -> int:
    """Kills the process of a node that this process has started, which another takes the place of."""
    own = {pid for pid in _children(os.getpid()) if b"dask" in _words_of(pid)}
    [node, *_] = [pid for parent in own for pid in _children(parent) if b"spawn_main" in _words_of(pid)]
    os.kill(node, signal.SIGKILL)
    return node


def _words_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.name))
    return found


@pytest.mark.long
def test_a_script_needs_no_guard(tmp_path):
    program = (
        "print('begun')\n"
        "import sys\n"
        "from engine import Arm, Study, run\n"
        "arm = Arm(model='mlp', dense_widths=(8,), init='he', dataset='digits')\n"
        "study = Study(name='guarded', arms={'one': arm}, seeds=1, horizon=22)\n"
        "run(study, sys.argv[1], cluster='local:1', has_report=False)\n"
    )
    (tmp_path / "script.py").write_text(program)
    words = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "study")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1
    assert len(read_all(tmp_path / "study")) == 1


def test_a_node_without_this_package_says_so():
    from distributed.protocol.pickle import dumps

    from engine.workers.cluster.scheduler_line import read_answer

    lacking = read_answer(dumps(ModuleNotFoundError("No module named 'engine'")))
    assert lacking == "it lacks a package: No module named 'engine'"
    assert isinstance(read_answer(dumps(OSError("gone"))), OSError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "slrum"}, "unknown cluster 'slrum'.*did you mean 'slurm'"),
        ({"cluster": "local:0"}, "cluster=local:0: expected tcp://HOST:PORT of a Dask scheduler, local:N"),
        ({"cluster": "tcp://"}, "cluster=tcp://: expected tcp://HOST:PORT"),
        ({"cluster": "slurm"}, "cluster=slurm needs cluster_options=FILE: a TOML file"),
        ({"cluster": "local:2", "cluster_options": "a.toml"}, "has no effect with cluster=local:2"),
        ({"cluster_options": "a.toml"}, "has no effect without cluster"),
        ({"cluster": "local:2", "num_workers": 2}, "workers is for the devices of this machine"),
        ({"cluster": "local:2", "is_tuned": True}, "tune is for the devices of this machine"),
    ],
)
def test_what_no_cluster_is_has_one_line(options, words):
    with pytest.raises(InputError, match=words):
        RunOptions(**options)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("jobs = ", "is no TOML"),
        ("cores = 1", "jobs=None: expected the number of jobs"),
        ("jobs = 1\ncores = 1\nmemory = '1GB'\ncolour = 'red'", "cluster=slurm cannot be started: .*colour"),
    ],
)
def test_options_of_a_queue_that_cannot_be_used_have_one_line(content, words, tmp_path):
    pytest.importorskip("dask_jobqueue")
    if content is not None:
        (tmp_path / "queue.toml").write_text(content)
    options = {"cluster": "slurm", "cluster_options": str(tmp_path / "queue.toml"), "is_quiet": True}
    with pytest.raises(InputError, match=words):
        run(small_study(), tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


async def _open(address: str) -> None:
    await SchedulerLine(address).open()


def test_a_scheduler_that_is_not_there_has_one_line(monkeypatch):
    import asyncio

    from engine.workers.cluster import scheduler_line

    monkeypatch.setattr(scheduler_line, "_CONNECT", 0.5)
    with pytest.raises(InputError, match=r"cluster=tcp://127.0.0.1:1: no scheduler of Dask answers there"):
        asyncio.run(_open("tcp://127.0.0.1:1"))
